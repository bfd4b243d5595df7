//! Mathematics: numbers in, numbers out.
//!
//! Owns the procedures and their error rates. Must not know the meaning of a number, nor use a clock, a file or
//! randomness. Invariant: the same numbers give the same result in any order (except [`drift`] and [`size`]'s
//! noise, which depend on the order), and nothing panics on any number.
//!
//! From the ground up:
//!
//! * [`special`], [`distributions`]: the normal, Student's t, the binomial.
//! * [`interval`]: the level of an interval and its two ends. [`mean`]: Student's t over prompts.
//! * [`order`]: floats in rising order. [`quantile`], [`quantile_interval`]: percentiles.
//! * [`hodges_lehmann`]: robust levels and shifts.
//! * [`paired`]: two sides on the same prompts. [`car`]: are they different? [`tail`]: in the tail?
//! * [`rates`], [`cost`]: shares and money. [`kappa`]: agreement of graders. [`multiple`]: many comparisons at once.
//! * [`history`], [`series`]: today against the past. [`drift`]: a change inside a run.
//! * [`sequential`]: looking early. [`size`]: how many requests a question needs. [`knee`]: how much load a server takes.

pub mod car;
pub mod cost;
pub mod distributions;
pub mod drift;
pub mod history;
pub mod hodges_lehmann;
pub mod interval;
pub mod kappa;
pub mod knee;
pub mod mean;
pub mod multiple;
pub mod order;
pub mod paired;
pub mod quantile;
pub mod quantile_interval;
pub mod rates;
pub mod sequential;
pub mod series;
pub mod size;
pub mod special;
pub mod tail;

/// The power of a change that is called detectable: the probability of a verdict on it.
pub const POWER: f64 = 0.8;

/// The minimum number of prompts for a verdict: with five, even all signs agreeing would happen by chance in 1
/// of 16 cases.
pub const MIN_PROMPTS: usize = 6;
