//! Values that are the default ones nearly everywhere.
//!
//! Owns their memory. Must not know what they mean. Invariant: a default value that was not changed in place takes no memory
//! but its 8 bytes.

use std::ops::{Deref, DerefMut};
use std::slice;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// A value that lies in a box, unless it is the default one. Otherwise as the value itself, stored and read like it.
#[derive(Debug, Clone)]
pub struct Rare<T>(Option<Box<T>>);

/// A type whose default value is held once for all.
pub trait SharedDefault: Default + PartialEq + 'static {
    /// The default value.
    fn shared() -> &'static Self;
}

impl<T: PartialEq + 'static> SharedDefault for Vec<T> {
    fn shared() -> &'static Self {
        const { &Self::new() }
    }
}

impl<T: PartialEq + 'static> SharedDefault for Option<T> {
    fn shared() -> &'static Self {
        const { &None }
    }
}

impl SharedDefault for Map<String, Value> {
    fn shared() -> &'static Self {
        static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        &EMPTY
    }
}

impl<T: SharedDefault> Rare<T> {
    /// Returns true if it is the default value.
    pub fn is_default(&self) -> bool {
        **self == *T::shared()
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: SharedDefault> From<T> for Rare<T> {
    fn from(value: T) -> Self {
        Self((value != *T::shared()).then(|| Box::new(value)))
    }
}

impl<T: SharedDefault> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or_else(|| T::shared())
    }
}

impl<T: SharedDefault> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: SharedDefault> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: SharedDefault + Eq> Eq for Rare<T> {}

impl<'a, T: PartialEq + 'static> IntoIterator for &'a Rare<Vec<T>> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: SharedDefault + Serialize> Serialize for Rare<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de, T: SharedDefault + Deserialize<'de>> Deserialize<'de> for Rare<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_its_value_and_a_default_takes_no_box() {
        let mut words = Rare::from(Vec::<String>::new());
        assert!(words.is_default() && words.0.is_none() && words.is_empty());
        words.push("a".to_owned());
        assert_eq!(serde_json::to_string(&words).unwrap(), r#"["a"]"#);
        assert_eq!(
            serde_json::from_str::<Rare<Vec<String>>>(r#"["a"]"#).unwrap(),
            words
        );
        // Emptied in place it has a box, and is equal to one without.
        words.clear();
        assert!(words.is_default() && words.0.is_some());
        assert_eq!(words, Rare::default());
    }
}
