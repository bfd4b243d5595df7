//! Mathematics: numbers in, numbers out.
//!
//! Owns the procedures and their error rates. Must not know what a number measures, nor touch a
//! clock, a file or the system's randomness. Invariant: the same numbers give the same result, in
//! whatever order they came.

pub mod quantile;
