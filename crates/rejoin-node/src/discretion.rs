//! What may stand in a log that its owner shows to others: no token or key, the home folder as `~`,
//! and of an address no more than the network. At `debug` and below, addresses and folders stand in
//! full, for whoever looks for a fault.

use std::{
    borrow::Cow,
    io::{self, Write},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// So many hexadecimal digits in a row are 16 bytes, a secret's least; a peer's name is none of them.
const SECRET_DIGITS_MIN: usize = 32;

/// Knows what is private.
#[derive(Clone, Debug)]
pub struct Discretion {
    /// Unless it is everybody's, such as `/`.
    home: Option<String>,
}

impl Discretion {
    /// That of this user.
    pub fn of_this_user() -> Self {
        Self::with_home(etcetera::home_dir().ok())
    }

    fn with_home(home: Option<PathBuf>) -> Self {
        let home =
            home.and_then(|home| home.to_str().map(|it| it.trim_end_matches('/').to_owned()));
        Self {
            home: home.filter(|home| !home.is_empty()),
        }
    }

    /// The text with its home folder as `~`.
    pub fn at_home<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.home {
            Some(home) if text.contains(home) => Cow::Owned(with_tilde(text, home)),
            _ => Cow::Borrowed(text),
        }
    }

    /// The text as it may be shown to others.
    pub fn for_others(&self, text: &str) -> String {
        let text = self.at_home(text);
        let mut shown = String::with_capacity(text.len());
        let mut rest = &*text;
        while !rest.is_empty() {
            let end = rest.find(|c| !is_of_a_word(c)).unwrap_or(rest.len());
            let (word, more) = rest.split_at(end);
            shown.push_str(&shortened(word));
            let end = more.find(is_of_a_word).unwrap_or(more.len());
            let (between, more) = more.split_at(end);
            shown.push_str(between);
            rest = more;
        }
        shown
    }
}

/// A folder whose name only begins like the home folder is another one.
fn with_tilde(text: &str, home: &str) -> String {
    let mut parts = text.split(home);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let other = part.starts_with(goes_on) && !is_end_of_sentence(part);
        shown.push_str(if other { home } else { "~" });
        shown.push_str(part);
    }
    shown
}

fn is_end_of_sentence(rest: &str) -> bool {
    let end = rest.strip_prefix('.');
    end.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// What an IP address or a number is written with, and the letters a word of those may not go on with.
fn is_of_a_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ':' | '.')
}

fn shortened(word: &str) -> Cow<'_, str> {
    let bare = word.trim_end_matches(['.', ':']);
    let (shown, rest) = (&word[..bare.len()], &word[bare.len()..]);
    if shown.len() >= SECRET_DIGITS_MIN && shown.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Cow::Owned(format!("<hidden>{rest}"));
    }
    // Without brackets only a version 4 address can have a port behind it.
    if let Ok(SocketAddr::V4(at)) = shown.parse() {
        let network = network((*at.ip()).into());
        return Cow::Owned(format!("{network}:{}{rest}", at.port()));
    }
    // What ends in two colons may be a version 6 address, too.
    for (ip, rest) in [(word, ""), (shown, rest)] {
        if let Ok(ip) = ip.parse() {
            return Cow::Owned(format!("{}{rest}", network(ip)));
        }
    }
    Cow::Borrowed(word)
}

/// The first half of a version 4 address, and of a version 6 address what a provider has. This very
/// machine is nobody's secret.
fn network(ip: IpAddr) -> String {
    match ip {
        ip if ip.is_loopback() || ip.is_unspecified() => ip.to_string(),
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            format!("{a}.{b}.…")
        }
        IpAddr::V6(ip) => v6_network(ip),
    }
}

fn v6_network(ip: Ipv6Addr) -> String {
    match ip.to_ipv4_mapped() {
        Some(ip) => format!("::ffff:{}", network(ip.into())),
        None => {
            let [a, b, ..] = ip.segments();
            format!("{a:x}:{b:x}:…")
        }
    }
}

impl<'a> MakeWriter<'a> for Discretion {
    type Writer = Log<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Log(Some(self))
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        Log((*meta.level() < Level::DEBUG).then_some(self))
    }
}

/// Where one message of the log goes.
#[derive(Debug)]
pub struct Log<'a>(Option<&'a Discretion>);

impl Write for Log<'_> {
    /// A message comes whole.
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let mut log = io::stderr().lock();
        match self.0 {
            Some(discretion) => {
                let text = String::from_utf8_lossy(message);
                log.write_all(discretion.for_others(&text).as_bytes())?;
            }
            None => log.write_all(message)?,
        }
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_no_more_is_told_than_its_network() {
        check("/ip4/203.0.113.7/tcp/4001", "/ip4/203.0.…/tcp/4001");
        check(
            "no answer from 203.0.113.7:80.",
            "no answer from 203.0.…:80.",
        );
        check("203.0.113.7: refused", "203.0.…: refused");
        check("/ip6/2001:db8:7::1/udp/1", "/ip6/2001:db8:…/udp/1");
        check("[2001:db8:7::1]:80", "[2001:db8:…]:80");
        check("at 2001:db8::", "at 2001:db8:…");
        check("/ip6/::ffff:203.0.113.7/tcp/1", "/ip6/::ffff:203.0.…/tcp/1");
        check("http://203.0.113.7/peers", "http://203.0.…/peers");
        check("(203.0.113.7)", "(203.0.…)");
    }

    #[test]
    fn what_is_no_address_stays_and_so_does_this_machine() {
        for text in [
            "2026-11-27T05:15:23.123456Z  WARN rejoin_node::api: 1.2.3, 05:15:23",
            "/ip4/127.0.0.1/tcp/4001 and [::1]:80, 0.0.0.0",
            "/dns/seed.example.org/tcp/4001",
            "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN",
            "über ː ∷ Ⅳ",
            "",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn tokens_and_keys_are_hidden() {
        let token = "0123456789abcdef".repeat(4);
        check(&format!("Bearer {token}."), "Bearer <hidden>.");
        check(&format!("token={token:?}"), "token=\"<hidden>\"");
        check(&token[..32], "<hidden>");
        check(&token[..31], &token[..31]);
    }

    #[test]
    fn the_home_folder_is_a_tilde() {
        check("/home/alice/x is full", "~/x is full");
        check("sqlite:/home/alice/p.db", "sqlite:~/p.db");
        check("/home/alice", "~");
        check("in /home/alice.", "in ~.");
        check(
            "/home/alice-2/x, /home/alice.old",
            "/home/alice-2/x, /home/alice.old",
        );
    }

    #[test]
    fn a_home_that_is_everybodys_is_none() {
        for home in [None, Some("/".into()), Some("".into())] {
            let text = "/var/lib/rejoin";
            assert_eq!(Discretion::with_home(home).at_home(text), text);
        }
    }

    #[track_caller]
    fn check(text: &str, shown: &str) {
        let discretion = Discretion::with_home(Some("/home/alice/".into()));
        assert_eq!(discretion.for_others(text), shown);
    }
}
