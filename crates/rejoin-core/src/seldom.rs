//! What nearly always is blank, and then takes next to no room.

use std::{
    collections::{BTreeMap, btree_map},
    ops::{Deref, DerefMut},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Something of which there are millions, most of them [blank](Blank): eight bytes then.
///
/// It reads as what it stands for. To change it takes room, so look first whether there is anything to
/// change.
#[derive(Clone, Debug)]
pub struct Seldom<T>(Option<Box<T>>);

/// What has nothing in it at first.
pub trait Blank: Default + PartialEq + 'static {
    /// As it is with nothing in it, like its default.
    const BLANK: &'static Self;
}

impl<K: PartialEq + 'static, V: PartialEq + 'static> Blank for BTreeMap<K, V> {
    const BLANK: &'static Self = &Self::new();
}

impl<T: PartialEq + 'static> Blank for Vec<T> {
    const BLANK: &'static Self = &Self::new();
}

impl<T> Seldom<T> {
    /// Blank.
    pub const fn new() -> Self {
        Self(None)
    }
}

impl<T: Blank> Seldom<T> {
    /// There is nothing in it.
    pub fn is_blank(&self) -> bool {
        self.0.as_ref().is_none_or(|held| **held == *T::BLANK)
    }
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Blank> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::BLANK)
    }
}

impl<T: Blank> DerefMut for Seldom<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: Blank> From<T> for Seldom<T> {
    fn from(value: T) -> Self {
        Self((value != *T::BLANK).then(|| Box::new(value)))
    }
}

impl<K: PartialEq + 'static, V: PartialEq + 'static> IntoIterator for Seldom<BTreeMap<K, V>> {
    type Item = (K, V);
    type IntoIter = btree_map::IntoIter<K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map_or_else(BTreeMap::new, |map| *map).into_iter()
    }
}

impl<'a, K: PartialEq + 'static, V: PartialEq + 'static> IntoIterator
    for &'a Seldom<BTreeMap<K, V>>
{
    type Item = (&'a K, &'a V);
    type IntoIter = btree_map::Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Blank> PartialEq for Seldom<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Blank + Serialize> Serialize for Seldom<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.deref().serialize(serializer)
    }
}

impl<'de, T: Blank + Deserialize<'de>> Deserialize<'de> for Seldom<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_and_writes_as_the_map_it_is() {
        let mut map = Seldom::<BTreeMap<String, u8>>::new();
        assert!(map.is_blank() && map.get("a").is_none());
        assert_eq!(serde_json::to_string(&map).unwrap(), "{}");
        map.insert("a".into(), 1);
        let json = serde_json::to_string(&map).unwrap();
        assert_eq!(json, r#"{"a":1}"#);
        assert_eq!(
            serde_json::from_str::<Seldom<BTreeMap<String, u8>>>(&json).unwrap(),
            map
        );
        map.remove("a");
        assert_eq!(map, Seldom::new(), "emptied is empty");
        assert_eq!(
            size_of::<Seldom<BTreeMap<String, u8>>>(),
            size_of::<usize>()
        );
    }
}
