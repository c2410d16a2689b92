//! Maps that are nearly always empty, and then take next to no room.

use std::{
    collections::{BTreeMap, btree_map},
    ops::{Deref, DerefMut},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A [`BTreeMap`] of which there are millions, most of them empty: a third of its size then.
#[derive(Clone, Debug)]
#[expect(
    clippy::box_collection,
    reason = "the box is there to be missing: eight bytes instead of twenty-four"
)]
pub struct Seldom<K, V>(Option<Box<BTreeMap<K, V>>>);

impl<K: 'static, V: 'static> Seldom<K, V> {
    const NOTHING: &'static BTreeMap<K, V> = &BTreeMap::new();

    /// Without anything in it.
    pub const fn new() -> Self {
        Self(None)
    }

    /// There is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.deref().is_empty()
    }
}

impl<K, V> Default for Seldom<K, V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: 'static, V: 'static> Deref for Seldom<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &BTreeMap<K, V> {
        self.0.as_deref().unwrap_or(Self::NOTHING)
    }
}

impl<K: 'static, V: 'static> DerefMut for Seldom<K, V> {
    fn deref_mut(&mut self) -> &mut BTreeMap<K, V> {
        self.0.get_or_insert_default()
    }
}

impl<K, V> From<BTreeMap<K, V>> for Seldom<K, V> {
    fn from(map: BTreeMap<K, V>) -> Self {
        Self((!map.is_empty()).then(|| Box::new(map)))
    }
}

impl<K, V> IntoIterator for Seldom<K, V> {
    type Item = (K, V);
    type IntoIter = btree_map::IntoIter<K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map_or_else(BTreeMap::new, |map| *map).into_iter()
    }
}

impl<'a, K: 'static, V: 'static> IntoIterator for &'a Seldom<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = btree_map::Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: PartialEq + 'static, V: PartialEq + 'static> PartialEq for Seldom<K, V> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<K: Serialize + 'static, V: Serialize + 'static> Serialize for Seldom<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.deref().serialize(serializer)
    }
}

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Deserialize<'de> for Seldom<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_and_writes_as_the_map_it_is() {
        let mut map = Seldom::<String, u8>::new();
        assert!(map.is_empty() && map.get("a").is_none());
        assert_eq!(serde_json::to_string(&map).unwrap(), "{}");
        map.insert("a".into(), 1);
        let json = serde_json::to_string(&map).unwrap();
        assert_eq!(json, r#"{"a":1}"#);
        assert_eq!(
            serde_json::from_str::<Seldom<String, u8>>(&json).unwrap(),
            map
        );
        map.remove("a");
        assert_eq!(map, Seldom::new(), "emptied is empty");
        assert_eq!(size_of::<Seldom<String, u8>>(), size_of::<usize>());
    }
}
