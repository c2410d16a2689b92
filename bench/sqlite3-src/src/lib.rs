//! The SQLite that rusqlite has with it, under the name by which Radicle asks for one.

extern crate libsqlite3_sys;
