//! Fields that cannot fail: a value of an unexpected type is read as absent.
//!
//! Owns the tolerance of the wire structs. Must not know any particular field. Invariant: as long as the bytes
//! are JSON, no value of a field loses the chunk around it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A string, borrowed where it has no escapes; empty when absent or of another type. Other JSON values become
/// text only with [`Loose`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'a> Text<'a> {
    /// `None` when empty.
    pub(super) fn some(self) -> Option<Cow<'a, str>> {
        (!self.0.is_empty()).then_some(self.0)
    }
}

/// A count; absent when it is null, negative, fractional or of another type. A string of digits is a count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count(pub(super) Option<u64>);

/// A boolean; absent when of another type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LenientBool(pub(super) Option<bool>);

/// A string, or the JSON text of any other value; empty when absent or null.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Loose<'a>(pub(super) Cow<'a, str>);

/// An object; absent when of another type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object<T>(pub(super) Option<T>);

/// A list; empty when of another type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// The conversion of each kind of JSON value; kinds that are not implemented are absent.
trait LenientValue<'de>: Default {
    fn string(_text: Cow<'de, str>) -> Self {
        Self::default()
    }
    fn count(_count: u64) -> Self {
        Self::default()
    }
    fn boolean(_value: bool) -> Self {
        Self::default()
    }
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
    fn object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

struct LenientVisitor<T>(PhantomData<T>);

impl<'de, T: LenientValue<'de>> Visitor<'de> for LenientVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::string(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::string(Cow::Owned(text.to_owned())))
    }
    fn visit_string<E>(self, text: String) -> Result<T, E> {
        Ok(T::string(Cow::Owned(text)))
    }
    fn visit_u64<E>(self, count: u64) -> Result<T, E> {
        Ok(T::count(count))
    }
    fn visit_i64<E>(self, count: i64) -> Result<T, E> {
        Ok(u64::try_from(count).map_or_else(|_| T::default(), T::count))
    }
    fn visit_f64<E>(self, number: f64) -> Result<T, E> {
        // Some servers write integers as 12.0; numbers above 2^53 are not counts of tokens.
        let whole = number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Checked just above.
        Ok(if whole {
            T::count(number as u64)
        } else {
            T::default()
        })
    }
    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Ok(T::boolean(value))
    }
    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_none<E>(self) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list)
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::object(object)
    }
}

fn read<'de, T: LenientValue<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(LenientVisitor(PhantomData))
}

impl<'de: 'a, 'a> LenientValue<'de> for Text<'a> {
    fn string(text: Cow<'de, str>) -> Self {
        Self(text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de> LenientValue<'de> for Count {
    fn string(text: Cow<'de, str>) -> Self {
        Self(text.trim().parse().ok())
    }
    fn count(count: u64) -> Self {
        Self(Some(count))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl LenientValue<'_> for LenientBool {
    fn boolean(value: bool) -> Self {
        Self(Some(value))
    }
}

impl<'de> Deserialize<'de> for LenientBool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de: 'a, 'a> LenientValue<'de> for Loose<'a> {
    fn string(text: Cow<'de, str>) -> Self {
        Self(text)
    }
    fn count(count: u64) -> Self {
        Self(Cow::Owned(count.to_string()))
    }
    fn list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        let value = Value::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(Self(Cow::Owned(value.to_string())))
    }
    fn object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        let value = Value::deserialize(MapAccessDeserializer::new(object))?;
        Ok(Self(Cow::Owned(value.to_string())))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de, T: Deserialize<'de>> LenientValue<'de> for Object<T> {
    fn object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|value| Self(Some(value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de, T: Deserialize<'de>> LenientValue<'de> for List<T> {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<Object<T>>()? {
            items.extend(item.0);
        }
        Ok(Self(items))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

/// `content`: a string, or (Mistral and others) a list of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TextOrList<'a, T> {
    Text(Cow<'a, str>),
    List(Vec<T>),
}

impl<T> Default for TextOrList<'_, T> {
    fn default() -> Self {
        Self::Text(Cow::Borrowed(""))
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> LenientValue<'de> for TextOrList<'a, T> {
    fn string(text: Cow<'de, str>) -> Self {
        Self::Text(text)
    }
    fn list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        List::list(list).map(|items| Self::List(items.0))
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for TextOrList<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default)]
    struct All<'a> {
        #[serde(borrow)]
        text: Text<'a>,
        count: Count,
        truth: LenientBool,
        #[serde(borrow)]
        loose: Loose<'a>,
        object: Object<Inner>,
        list: List<Inner>,
        #[serde(borrow)]
        either: TextOrList<'a, Inner>,
    }

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default)]
    struct Inner {
        n: Count,
    }

    #[test]
    fn expected_types_are_read() {
        // Leniency must not lose well-formed values.
        let all: All<'_> = serde_json::from_str(
            r#"{"text":"a","count":12.0,"truth":true,"loose":{"b":1},"object":{"n":"3"},
                "list":[{"n":1},null,{"n":2}],"either":[{"n":9}],"unknown":[[]]}"#,
        )
        .unwrap();
        assert!(matches!(all.text.0, Cow::Borrowed("a")));
        assert_eq!(all.count, Count(Some(12)));
        assert_eq!(all.truth, LenientBool(Some(true)));
        assert_eq!(all.loose.0, r#"{"b":1}"#);
        assert_eq!(all.object.0.unwrap().n, Count(Some(3)));
        let numbers: Vec<Option<u64>> = all.list.0.iter().map(|inner| inner.n.0).collect();
        assert_eq!(numbers, [Some(1), Some(2)]);
        assert!(matches!(all.either, TextOrList::List(parts) if parts[0].n == Count(Some(9))));
    }

    #[test]
    fn what_is_no_count_is_absent() {
        // A wrong count is worse than none: it becomes a cost.
        for wrong in [
            "-1", "-1.0", "0.5", "1e300", "\"many\"", "true", "[1]", "{}", "null",
        ] {
            let inner: Inner = serde_json::from_str(&format!("{{\"n\":{wrong}}}")).unwrap();
            assert_eq!(inner.n, Count(None), "{wrong}");
        }
    }

    /// Any JSON value, a few levels deep.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,5}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-z]{1,3}", inner), 0..4)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        // Whatever value a field has, the struct around it can be read.
        #[test]
        fn no_value_loses_the_rest(values in prop::collection::vec(json(), 7)) {
            let names = ["text", "count", "truth", "loose", "object", "list", "either"];
            let object: serde_json::Map<String, Value> =
                names.iter().map(|name| (*name).to_owned()).zip(values).collect();
            let text = Value::Object(object).to_string();
            prop_assert!(serde_json::from_str::<All<'_>>(&text).is_ok(), "{text}");
        }
    }
}
