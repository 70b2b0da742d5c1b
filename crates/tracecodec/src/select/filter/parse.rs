//! From the text of a filter to its expression.

use std::net::Ipv6Addr;

use super::{ADDRESS_PLACES, Direction, Expression, Joint, Net, Net6, Test, Versions, ethertype};
use crate::error::Error;

/// Nesting of parentheses and negations beyond which an expression is refused.
const MAX_DEPTH: usize = 100;

/// IP protocol numbers (IANA).
const ICMP: u8 = 1;
const IGMP: u8 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

/// What a protocol's name asks for by itself.
const PROTOCOLS: &[(&str, Test)] = &[
    ("ip", Test::EtherType(ethertype::IPV4)),
    ("ip6", Test::EtherType(ethertype::IPV6)),
    ("arp", Test::EtherType(ethertype::ARP)),
    ("rarp", Test::EtherType(ethertype::RARP)),
    ("tcp", Test::Protocol(Versions::Both, TCP)),
    ("udp", Test::Protocol(Versions::Both, UDP)),
    ("sctp", Test::Protocol(Versions::Both, SCTP)),
    ("icmp", Test::Protocol(Versions::Only4, ICMP)),
    ("icmp6", Test::Protocol(Versions::Only6, ICMPV6)),
    ("igmp", Test::Protocol(Versions::Only4, IGMP)),
];

/// Hint of what a filter may be made of.
const GRAMMAR: &str = "a filter is made of ip, ip6, arp, tcp, udp, icmp, icmp6, [src|dst] host|net|port|portrange, \
    vlan, less, greater, and, or, not and parentheses, as in pcap-filter(7)";

/// Hint where a name stands for an address or a port.
const NAMES: &str = "names are not looked up: write the address, or the number of the port";

/// Reads an expression, if there is one.
pub(super) fn parse(text: &str) -> Result<Option<Expression>, Error> {
    let tokens = tokens(text);
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut parser = Parser {
        text,
        tokens: &tokens,
        tags: 0,
        depth: 0,
    };
    let mut qualifier = None;
    let expression = parser.chain(|parser| parser.term(&mut qualifier))?;
    match parser.peek() {
        None => Ok(Some(expression)),
        Some(")") => Err(parser.error("no parenthesis is open here", "")),
        Some(_) => Err(parser.expected("`and` or `or`")),
    }
}

/// A word or sign, and the column of its first character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token<'a> {
    text: &'a str,
    column: usize,
}

/// Splits a text into words and signs.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut column) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let len = match word {
            0 if rest.starts_with("&&") || rest.starts_with("||") => 2,
            0 => first.len_utf8(),
            word => word,
        };
        let (token, after) = rest.split_at(len);
        if !matches!(first, ' ' | '\t' | '\r' | '\n') {
            let text = match token {
                "&&" => "and",
                "||" => "or",
                "!" => "not",
                token => token,
            };
            tokens.push(Token { text, column });
        }
        column += token.chars().count();
        rest = after;
    }
    tokens
}

/// Whether a character belongs to a name, a number or an address.
fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '.' | ':' | '-' | '_')
}

/// What stands before a value, and holds for the values after it, too: `tcp dst port`.
#[derive(Debug, Clone, Copy)]
struct Qualifier<'a> {
    protocol: Option<Token<'a>>,
    direction: Direction,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Host,
    Net,
    Port,
    PortRange,
}

struct Parser<'a> {
    text: &'a str,
    /// What is still to be read.
    tokens: &'a [Token<'a>],
    /// VLAN tags that the expression has named so far. Whatever follows lies behind them.
    tags: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.first().map(|token| token.text)
    }

    fn advance(&mut self) {
        self.tokens = &self.tokens[1..];
    }

    /// Terms joined by `and` and `or`, which bind alike, from left to right.
    fn chain(
        &mut self,
        mut term: impl FnMut(&mut Self) -> Result<Expression, Error>,
    ) -> Result<Expression, Error> {
        let mut terms = vec![(Joint::And, term(self)?)];
        loop {
            let joint = match self.peek() {
                Some("and") => Joint::And,
                Some("or") => Joint::Or,
                _ => return Ok(Expression::Chain(terms)),
            };
            self.advance();
            terms.push((joint, term(self)?));
        }
    }

    /// One term. It leaves the qualifier behind that a value after it takes on.
    fn term(&mut self, qualifier: &mut Option<Qualifier<'a>>) -> Result<Expression, Error> {
        match self.peek() {
            Some("not") => return self.negated(|parser| parser.term(qualifier)),
            Some("(") => {
                let mut inner = *qualifier;
                return self.group(|parser| parser.term(&mut inner));
            }
            _ => {}
        }
        if let Some(new) = self.qualifier() {
            *qualifier = Some(new);
            return self.values(new);
        }
        if let Some(expression) = self.simple()? {
            *qualifier = None;
            return Ok(expression);
        }
        match *qualifier {
            Some(qualifier) => self.value(qualifier),
            None => Err(self.no_condition()),
        }
    }

    /// The value behind a qualifier, or several of them in parentheses.
    fn values(&mut self, qualifier: Qualifier<'a>) -> Result<Expression, Error> {
        match self.peek() {
            Some("not") => self.negated(|parser| parser.values(qualifier)),
            Some("(") => self.group(|parser| parser.values(qualifier)),
            _ => self.value(qualifier),
        }
    }

    fn negated(
        &mut self,
        term: impl FnOnce(&mut Self) -> Result<Expression, Error>,
    ) -> Result<Expression, Error> {
        self.enter()?;
        let term = term(self)?;
        self.depth -= 1;
        Ok(Expression::Not(Box::new(term)))
    }

    fn group(
        &mut self,
        term: impl FnMut(&mut Self) -> Result<Expression, Error>,
    ) -> Result<Expression, Error> {
        let opening = self.column();
        self.enter()?;
        let inner = self.chain(term)?;
        self.depth -= 1;
        match self.peek() {
            Some(")") => {
                self.advance();
                Ok(inner)
            }
            None => Err(self.error_at(opening, "this parenthesis is not closed", "")),
            Some(_) => Err(self.expected("`and`, `or` or `)`")),
        }
    }

    /// Reads the sign that leads a level deeper.
    fn enter(&mut self) -> Result<(), Error> {
        if self.depth == MAX_DEPTH {
            return Err(self.error("parentheses and negations are nested too deeply", ""));
        }
        self.depth += 1;
        self.advance();
        Ok(())
    }

    /// Reads a qualifier, if one stands here: protocol, direction, kind, of which one may do.
    fn qualifier(&mut self) -> Option<Qualifier<'a>> {
        let word = |at: usize| self.tokens.get(at).map(|token| token.text);
        let protocol = self.tokens.first().copied();
        let protocol = protocol.filter(|token| protocol_test(token.text).is_some());
        let mut at = usize::from(protocol.is_some());
        let (direction, len) = match (word(at), word(at + 1), word(at + 2)) {
            (Some("src"), Some("or"), Some("dst")) => (Direction::Either, 3),
            (Some("dst"), Some("or"), Some("src")) => (Direction::Either, 3),
            (Some("src"), Some("and"), Some("dst")) => (Direction::Both, 3),
            (Some("dst"), Some("and"), Some("src")) => (Direction::Both, 3),
            (Some("src"), ..) => (Direction::Source, 1),
            (Some("dst"), ..) => (Direction::Destination, 1),
            _ => (Direction::Either, 0),
        };
        at += len;
        let kind = match word(at) {
            Some("host") => Some(Kind::Host),
            Some("net") => Some(Kind::Net),
            Some("port") => Some(Kind::Port),
            Some("portrange") => Some(Kind::PortRange),
            _ => None,
        };
        if kind.is_none() && len == 0 {
            return None;
        }
        self.tokens = &self.tokens[at + usize::from(kind.is_some())..];
        Some(Qualifier {
            protocol,
            direction,
            kind: kind.unwrap_or(Kind::Host),
        })
    }

    /// Reads a condition that needs no qualifier, if one stands here.
    fn simple(&mut self) -> Result<Option<Expression>, Error> {
        let Some(word) = self.peek() else {
            return Ok(None);
        };
        let tags = self.tags;
        let test = match word {
            "vlan" => {
                self.advance();
                self.tags += 1;
                Test::Vlan(self.vlan_identifier()?)
            }
            "less" => Test::Less(self.length()?),
            "greater" => Test::Greater(self.length()?),
            _ => {
                let Some(test) = protocol_test(word) else {
                    return Ok(None);
                };
                self.advance();
                test
            }
        };
        Ok(Some(Expression::Behind(tags, test)))
    }

    fn vlan_identifier(&mut self) -> Result<Option<u16>, Error> {
        let Some(number) = self.peek().and_then(number) else {
            return Ok(None);
        };
        let Some(identifier) = u16::try_from(number).ok().filter(|id| *id <= 0xfff) else {
            return Err(self.error("a VLAN identifier is at most 4095", ""));
        };
        self.advance();
        Ok(Some(identifier))
    }

    /// The number of bytes behind `less` or `greater`.
    fn length(&mut self) -> Result<u32, Error> {
        self.advance();
        let Some(bytes) = self.peek().and_then(number) else {
            return Err(self.expected("a number of bytes"));
        };
        self.advance();
        Ok(bytes)
    }

    /// One value behind a qualifier.
    fn value(&mut self, qualifier: Qualifier<'a>) -> Result<Expression, Error> {
        let test = match qualifier.kind {
            Kind::Host | Kind::Net => self.address(qualifier)?,
            Kind::Port | Kind::PortRange => self.ports(qualifier)?,
        };
        Ok(Expression::Behind(self.tags, test))
    }

    fn address(&mut self, qualifier: Qualifier<'a>) -> Result<Test, Error> {
        let Some(word) = self.peek().filter(|word| word.starts_with(is_word)) else {
            return Err(self.expected("an address"));
        };
        if let Ok(address) = word.parse() {
            return self.ipv6(address, qualifier);
        }
        match dotted(word) {
            Some(net) => self.ipv4(net, qualifier),
            None if word.starts_with(|c: char| c.is_ascii_digit()) || word.contains(':') => {
                Err(self.error(format!("`{word}` is not an address"), ""))
            }
            None => Err(self.error(format!("`{word}` is not an address"), NAMES)),
        }
    }

    fn ipv4(&mut self, net: Net, qualifier: Qualifier<'a>) -> Result<Test, Error> {
        let places = match qualifier.protocol.map(|token| token.text) {
            None => ADDRESS_PLACES,
            Some("ip") => &ADDRESS_PLACES[..1],
            Some("arp") => &ADDRESS_PLACES[1..2],
            Some("rarp") => &ADDRESS_PLACES[2..],
            Some(_) => return Err(self.no_such_value(qualifier, "IPv4 addresses")),
        };
        let is_number = !self.tokens[0].text.contains('.');
        if is_number && (qualifier.kind == Kind::Host || net.address == 0) {
            let hint = "write all four numbers of the address";
            return Err(self.error("a number is not an address", hint));
        }
        let net = match self.tokens.get(1).map(|token| token.text) {
            Some("/" | "mask") if is_number => {
                self.advance();
                let hint = "write more numbers of the address, such as 10.0.0.0/8";
                return Err(self.error("no mask can follow a single number", hint));
            }
            Some("/") => {
                let bits = self.prefix_len(qualifier, 32)?;
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                Net { mask, ..net }
            }
            Some("mask") => {
                self.advance();
                self.require_net(qualifier)?;
                self.advance();
                let mask = self
                    .peek()
                    .filter(|word| word.contains('.'))
                    .and_then(dotted);
                let Some(mask) = mask else {
                    return Err(self.expected("a mask such as 255.255.0.0"));
                };
                Net {
                    mask: mask.address,
                    ..net
                }
            }
            _ => net,
        };
        self.require_clean(net.address & !net.mask == 0)?;
        self.advance();
        Ok(Test::Net(qualifier.direction, places, net))
    }

    fn ipv6(&mut self, address: Ipv6Addr, qualifier: Qualifier<'a>) -> Result<Test, Error> {
        if !matches!(
            qualifier.protocol.map(|token| token.text),
            None | Some("ip6")
        ) {
            return Err(self.no_such_value(qualifier, "IPv6 addresses"));
        }
        let bits = match self.tokens.get(1).map(|token| token.text) {
            Some("/") => self.prefix_len(qualifier, 128)?,
            _ => 128,
        };
        let address = address.to_bits();
        let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        self.require_clean(address & !mask == 0)?;
        self.advance();
        let words = |bits: u128| [96, 64, 32, 0].map(|shift| (bits >> shift) as u32);
        Ok(Test::Net6(
            qualifier.direction,
            Net6 {
                address: words(address),
                mask: words(mask),
            },
        ))
    }

    /// Reads an address and a slash, and looks at the prefix length behind them.
    fn prefix_len(&mut self, qualifier: Qualifier<'a>, most: u32) -> Result<u32, Error> {
        self.advance();
        self.require_net(qualifier)?;
        self.advance();
        let bits = self.peek().and_then(number);
        match bits.filter(|bits| *bits <= most) {
            Some(bits) => Ok(bits),
            None => Err(self.expected(&format!("a prefix length of at most {most}"))),
        }
    }

    fn require_net(&self, qualifier: Qualifier<'a>) -> Result<(), Error> {
        match qualifier.kind {
            Kind::Net => Ok(()),
            _ => Err(self.error(
                "only a network has a mask",
                "write `net` in place of `host`",
            )),
        }
    }

    fn require_clean(&self, is_clean: bool) -> Result<(), Error> {
        if is_clean {
            return Ok(());
        }
        let hint = "clear the bits that the mask leaves out, or widen the mask";
        Err(self.error("the address has bits outside of this mask", hint))
    }

    fn ports(&mut self, qualifier: Qualifier<'a>) -> Result<Test, Error> {
        let protocols: &[u8] = match qualifier.protocol.map(|token| token.text) {
            None => &[TCP, UDP, SCTP],
            Some("tcp") => &[TCP],
            Some("udp") => &[UDP],
            Some("sctp") => &[SCTP],
            Some(_) => return Err(self.no_such_value(qualifier, "ports")),
        };
        let Some(word) = self.peek().filter(|word| word.starts_with(is_word)) else {
            return Err(self.expected("a port"));
        };
        let (low, high) = match word.split_once('-') {
            Some(range) if qualifier.kind == Kind::PortRange => range,
            _ => (word, word),
        };
        let (Some(low), Some(high)) = (number(low), number(high)) else {
            let is_range = word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('-');
            let hint = if is_range { "write `portrange`" } else { NAMES };
            return Err(self.error(format!("`{word}` is not a port"), hint));
        };
        let (Ok(low), Ok(high)) = (u16::try_from(low), u16::try_from(high)) else {
            return Err(self.error("a port is at most 65535", ""));
        };
        self.advance();
        Ok(Test::Ports(
            qualifier.direction,
            protocols,
            low.min(high),
            low.max(high),
        ))
    }

    /// The error where no condition stands.
    fn no_condition(&self) -> Error {
        match self.peek() {
            Some(word) if word.starts_with(|c: char| c.is_ascii_digit()) => {
                let problem = format!("`{word}` stands alone");
                self.error(problem, "write `host`, `net` or `port` before it")
            }
            _ => self.expected("a condition"),
        }
    }

    /// The error of a qualifier whose protocol has no such values.
    fn no_such_value(&self, qualifier: Qualifier<'a>, values: &str) -> Error {
        let (column, name) = qualifier
            .protocol
            .map_or((self.column(), ""), |token| (token.column, token.text));
        self.error_at(column, format!("`{name}` has no {values}"), "")
    }

    /// The error of something else that stands here.
    fn expected(&self, what: &str) -> Error {
        match self.peek() {
            Some(word) => {
                let found = word.escape_debug();
                self.error(format!("expected {what}, found `{found}`"), GRAMMAR)
            }
            None => self.error(format!("expected {what} at the end"), GRAMMAR),
        }
    }

    fn error(&self, problem: impl Into<String>, hint: &'static str) -> Error {
        self.error_at(self.column(), problem, hint)
    }

    fn error_at(&self, column: usize, problem: impl Into<String>, hint: &'static str) -> Error {
        Error::Filter {
            expression: self.text.to_string(),
            column,
            problem: problem.into(),
            hint,
        }
    }

    /// Where the next token begins; one beyond the text at its end.
    fn column(&self) -> usize {
        let end = || self.text.trim_end().chars().count() + 1;
        self.tokens.first().map_or_else(end, |token| token.column)
    }
}

/// What a protocol's name asks for by itself.
fn protocol_test(name: &str) -> Option<Test> {
    let row = PROTOCOLS.iter().find(|(known, _)| *known == name);
    row.map(|(_, test)| *test)
}

/// A decimal or, behind `0x`, a hexadecimal number.
fn number(text: &str) -> Option<u32> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        // libpcap reads octal numbers here; nobody means them.
        None if text.len() > 1 && text.starts_with('0') => None,
        None => text.parse().ok(),
    }
}

/// The network of one to four numbers below 256 between dots.
fn dotted(text: &str) -> Option<Net> {
    let (mut address, mut bits) = (0, 32);
    for part in text.split('.') {
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let byte: u8 = part.parse().ok()?;
        bits = u32::checked_sub(bits, 8)?;
        address |= u32::from(byte) << bits;
    }
    let mask = u32::MAX << bits;
    Some(Net { address, mask })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Column and problem of an expression that is refused.
    #[track_caller]
    fn refused(text: &str, column: usize, problem: &str) {
        let error = parse(text).map(|_| ()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("column {column} of the filter: {problem}"),
            "{text}"
        );
    }

    #[test]
    fn test_faults_are_pointed_at() {
        refused("tcp prot 80", 5, "expected `and` or `or`, found `prot`");
        refused("tcp and", 8, "expected a condition at the end");
        refused("and tcp", 1, "expected a condition, found `and`");
        refused("tcp[13] = 2", 4, "expected `and` or `or`, found `[`");
        refused(
            "ether host 1:2:3:4:5:6",
            1,
            "expected a condition, found `ether`",
        );
        refused("TCP", 1, "expected a condition, found `TCP`");
        refused("(tcp or udp", 1, "this parenthesis is not closed");
        refused("tcp or udp)", 11, "no parenthesis is open here");
        refused("()", 2, "expected a condition, found `)`");
        refused("é or tcp", 1, "expected a condition, found `é`");
        refused("ip or é", 7, "expected a condition, found `é`");
        refused("tcp &\u{7} udp", 5, "expected `and` or `or`, found `&`");
    }

    #[test]
    fn test_values() {
        refused("10.0.0.1", 1, "`10.0.0.1` stands alone");
        refused("tcp or 80", 8, "`80` stands alone");
        refused("vlan 4096", 6, "a VLAN identifier is at most 4095");
        refused("less x", 6, "expected a number of bytes, found `x`");
        refused("greater", 8, "expected a number of bytes at the end");
        refused("port", 5, "expected a port at the end");
        refused("port http", 6, "`http` is not a port");
        refused("port 1-2", 6, "`1-2` is not a port");
        refused("port 65536", 6, "a port is at most 65535");
        refused("port 080", 6, "`080` is not a port");
        refused("portrange 1-2-3", 11, "`1-2-3` is not a port");
        refused("ip port 80", 1, "`ip` has no ports");
        refused("host and", 6, "`and` is not an address");
        refused("host )", 6, "expected an address, found `)`");
        refused("host 10", 6, "a number is not an address");
        refused("host 1.2.3.4.5", 6, "`1.2.3.4.5` is not an address");
        refused("host 1.2.3.256", 6, "`1.2.3.256` is not an address");
        refused("host example.org", 6, "`example.org` is not an address");
        refused("host ::1::2", 6, "`::1::2` is not an address");
        refused("tcp host 10.0.0.1", 1, "`tcp` has no IPv4 addresses");
        refused("ip or ip host ::1", 7, "`ip` has no IPv6 addresses");
        refused("ip6 host 10.0.0.1", 1, "`ip6` has no IPv4 addresses");
    }

    #[test]
    fn test_masks() {
        refused("host 10.0.0.0/8", 14, "only a network has a mask");
        refused("net 10/8", 7, "no mask can follow a single number");
        refused(
            "net 10.0.0.1/8",
            14,
            "the address has bits outside of this mask",
        );
        refused(
            "net 10.0.0.0/33",
            14,
            "expected a prefix length of at most 32, found `33`",
        );
        refused(
            "net fe80::1/64",
            13,
            "the address has bits outside of this mask",
        );
        refused(
            "net ::/129",
            8,
            "expected a prefix length of at most 128, found `129`",
        );
        refused(
            "net 10.0.0.0 mask 8",
            19,
            "expected a mask such as 255.255.0.0, found `8`",
        );
        for text in [
            "net 0.0.0.0/0",
            "net ::/0",
            "net 10.0/16",
            "net 10.0.0.0 mask 255.0.0.0",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn test_caret_stands_below_the_fault() {
        let error = parse("tcp or port http").unwrap_err();
        let caret = "tcp or port http\n            ^";
        assert_eq!(error.caret().as_deref(), Some(caret));
        assert_eq!(
            error.to_string(),
            "column 13 of the filter: `http` is not a port"
        );
        assert_eq!(error.hint(), Some(NAMES));
    }

    #[test]
    fn test_depth_is_bounded_and_length_is_not() {
        let nested = |depth: usize| "(".repeat(depth) + "tcp" + &")".repeat(depth);
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        refused(
            &nested(MAX_DEPTH + 1),
            MAX_DEPTH + 1,
            "parentheses and negations are nested too deeply",
        );
        assert!(parse(&"not ".repeat(100_000)).is_err());
        assert!(parse(&format!("tcp{}", " or udp".repeat(100_000))).is_ok());
    }
}
