//! How what has a text of its own is written in any format: as that text.

use std::{
    fmt::{self, Display, Write},
    marker::PhantomData,
    str::FromStr,
};

use serde::{
    Deserializer, Serializer,
    de::{self, Visitor},
    ser,
};

/// Writes the text in one piece: a format looks at each piece by itself for what it has to escape.
pub fn serialize<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = String::with_capacity(TEXT_BYTES);
    write!(text, "{value}").map_err(ser::Error::custom)?;
    serializer.serialize_str(&text)
}

/// Room that most need no more than: a peer id has 52 characters, and so have most addresses at most.
const TEXT_BYTES: usize = 64;

/// Reads the text where it lies, without a copy of it where the format allows that.
pub fn deserialize<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    deserializer.deserialize_str(Parsed(PhantomData))
}

struct Parsed<T>(PhantomData<T>);

impl<T: FromStr<Err: Display>> Visitor<'_> for Parsed<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}
