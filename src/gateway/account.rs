//! Account balance, and the bill of an earlier answer, as a gateway reports them.
//!
//! Owns the shapes of the two responses. Must not know the caller. Invariant: an amount is parsed from its
//! digits; one that is missing or negative is absent.

use serde::Deserialize;

use crate::units::Usd;

use super::wire::{Amount, usd};

/// The balance of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credits {
    /// USD left to spend.
    pub balance: Usd,
    /// USD spent so far.
    pub used: Usd,
}

/// The bill of an answer, looked up by its generation id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenerationBill {
    /// The billed amount, surcharges included.
    pub billed: Usd,
    /// The amount at list price; with own keys and no list price, the amount that the provider billed.
    pub market: Option<Usd>,
}

/// The response of either gateway: one has both sums at the top level, the other has the total ever paid in.
#[derive(Deserialize)]
struct WireCredits {
    #[serde(default)]
    balance: Amount,
    #[serde(default)]
    total_used: Amount,
    #[serde(default)]
    data: Option<WirePaid>,
}

#[derive(Deserialize)]
struct WirePaid {
    #[serde(default)]
    total_credits: Amount,
    #[serde(default)]
    total_usage: Amount,
}

#[derive(Deserialize)]
struct WireGeneration {
    data: WireBill,
}

#[derive(Deserialize)]
#[allow(clippy::struct_field_names)] // The names are the wire's.
struct WireBill {
    #[serde(default)]
    total_cost: Amount,
    #[serde(default)]
    market_cost: Amount,
    #[serde(default)]
    upstream_inference_cost: Amount,
}

impl Credits {
    /// Parses the response of `/credits`; `None` if it has another shape.
    pub fn from_json(answer: &str) -> Option<Self> {
        let wire: WireCredits = serde_json::from_str(answer).ok()?;
        if let Some(paid) = wire.data {
            let (all, used) = (usd(&paid.total_credits)?, usd(&paid.total_usage)?);
            let balance = Usd(all.0 - used.0);
            return Some(Self { balance, used });
        }
        Some(Self {
            balance: usd(&wire.balance)?,
            used: usd(&wire.total_used)?,
        })
    }
}

impl GenerationBill {
    /// Parses the response of `/generation`; `None` if it has another shape.
    pub fn from_json(answer: &str) -> Option<Self> {
        let wire: WireGeneration = serde_json::from_str(answer).ok()?;
        let upstream = usd(&wire.data.upstream_inference_cost);
        // 0 means that no key of the user's was billed.
        let upstream = upstream.filter(|usd| *usd > Usd::ZERO);
        Some(Self {
            billed: usd(&wire.data.total_cost)?,
            market: usd(&wire.data.market_cost).or(upstream),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_gateways_credits_are_read() {
        // One gateway sends strings and the balance, the other sends numbers and the total paid in.
        let expected = Some(Credits {
            balance: Usd(95_500_000_000_000),
            used: Usd(4_500_000_000_000),
        });
        let first = r#"{"balance":"95.50","total_used":"4.50"}"#;
        let second = r#"{"data":{"total_credits":100,"total_usage":4.5}}"#;
        assert_eq!(Credits::from_json(first), expected);
        assert_eq!(Credits::from_json(second), expected);
        for broken in [
            "",
            "{}",
            r#"{"balance":"x","total_used":"1"}"#,
            r#"{"data":{}}"#,
        ] {
            assert_eq!(Credits::from_json(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_bill_is_read_by_its_digits() {
        // Own keys: the gateway bills nothing, and the provider's bill is the price.
        let read = |fields: &str| {
            GenerationBill::from_json(&format!("{{\"data\":{{\"id\":\"gen_1\",{fields}}}}}"))
        };
        let lookup = |billed, market: Option<i128>| {
            Some(GenerationBill {
                billed: Usd(billed),
                market: market.map(Usd),
            })
        };
        assert_eq!(read("\"total_cost\":3.2e-6"), lookup(3_200_000, None));
        assert_eq!(
            read("\"total_cost\":0,\"upstream_inference_cost\":0.5"),
            lookup(0, Some(500_000_000_000))
        );
        assert_eq!(
            read("\"total_cost\":1,\"market_cost\":2,\"upstream_inference_cost\":0"),
            lookup(Usd::PICO, Some(2 * Usd::PICO))
        );
        assert_eq!(read("\"total_cost\":-1"), None);
        assert_eq!(read("\"total\":1"), None);
        assert_eq!(GenerationBill::from_json("no"), None);
    }
}
