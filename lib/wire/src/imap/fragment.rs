// SPDX-License-Identifier: AGPL-3.0-or-later
//! The first stage of reading: where lines, literals and commands end, before anything is parsed.
//!
//! Bytes go in as they come from the socket, cut anywhere; out come [`Event`]s. A literal is announced
//! before its bytes are taken, so that the session can refuse it, ask for it with `+`, or divert the
//! bytes of a message elsewhere. Nothing here holds more than its [`Bounds`].

use super::limits;

/// How much the fragmentizer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Octets of one line.
    pub line_bytes_max: usize,
    /// Octets of one command with its literals.
    pub command_bytes_max: usize,
    /// Octets of one literal that becomes part of the command.
    pub literal_bytes_max: u64,
}

impl Bounds {
    /// For a stranger.
    pub const BEFORE_LOGIN: Self = Self {
        line_bytes_max: limits::LINE_BYTES_BEFORE_LOGIN_MAX,
        command_bytes_max: limits::COMMAND_BYTES_BEFORE_LOGIN_MAX,
        literal_bytes_max: limits::LITERAL_BYTES_BEFORE_LOGIN_MAX,
    };
    /// For a person who has signed in.
    pub const AFTER_LOGIN: Self = Self {
        line_bytes_max: limits::LINE_BYTES_MAX,
        command_bytes_max: limits::COMMAND_BYTES_MAX,
        literal_bytes_max: limits::COMMAND_BYTES_MAX as u64,
    };
}

/// A literal that a line announced: `{n}` or `{n+}`, with `~` before it when it may hold NUL (RFC 3516).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Literal {
    /// Octets that will follow; `u64::MAX` when the number is beyond all measure.
    pub size_bytes: u64,
    /// Does the client wait for `+` (RFC 9051 §4.3)?
    pub waits: bool,
}

/// What the bytes amounted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing yet; give more.
    More,
    /// A literal is announced: call [`Fragmentizer::accept`], [`Fragmentizer::divert`] or [`Fragmentizer::clear`].
    Literal(Literal),
    /// A command is complete: parse [`Fragmentizer::text`], then [`Fragmentizer::clear`].
    Command,
    /// A line has no end within its bound. What follows cannot be told apart from a command.
    LineTooLong,
    /// The command is longer than its bound, its literals included.
    CommandTooLong,
}

/// Collects one command.
#[derive(Debug)]
pub struct Fragmentizer {
    text: Vec<u8>,
    line_start: usize,
    literal_left: u64,
    bounds: Bounds,
}

impl Fragmentizer {
    /// Empty, with these bounds.
    pub fn new(bounds: Bounds) -> Self {
        Self { text: Vec::new(), line_start: 0, literal_left: 0, bounds }
    }

    /// Changes the bounds, between commands.
    pub fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// The bounds in force.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The command so far: its lines with their ends, and the literals that were accepted.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Has nothing of a command come yet?
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.literal_left == 0
    }

    /// Takes bytes up to the next event; returns how many it took.
    pub fn push(&mut self, input: &[u8]) -> (usize, Event) {
        let mut taken = 0;
        if self.literal_left > 0 {
            let room = usize::try_from(self.literal_left).unwrap_or(usize::MAX);
            let part = input.get(..room.min(input.len())).unwrap_or_default();
            self.text.extend_from_slice(part);
            self.literal_left -= part.len() as u64;
            taken = part.len();
            if self.literal_left > 0 {
                return (taken, Event::More);
            }
            self.line_start = self.text.len();
        }
        let rest = input.get(taken..).unwrap_or_default();
        let line_end = rest.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
        let part = rest.get(..line_end.unwrap_or(rest.len())).unwrap_or_default();
        if self.text.len() - self.line_start + part.len() > self.bounds.line_bytes_max {
            return (taken, Event::LineTooLong);
        }
        if self.text.len() + part.len() > self.bounds.command_bytes_max {
            return (taken, Event::CommandTooLong);
        }
        self.text.extend_from_slice(part);
        taken += part.len();
        if line_end.is_none() {
            return (taken, Event::More);
        }
        let line = self.text.get(self.line_start..).unwrap_or_default();
        (taken, parse_literal_head(line).map_or(Event::Command, Event::Literal))
    }

    /// Makes the announced literal part of the command, if the bounds admit it.
    pub fn accept(&mut self, literal: Literal) -> bool {
        let fits = literal.size_bytes <= self.bounds.literal_bytes_max
            && (self.text.len() as u64).saturating_add(literal.size_bytes) < self.bounds.command_bytes_max as u64;
        if fits {
            self.literal_left = literal.size_bytes;
            self.line_start = self.text.len();
        }
        fits
    }

    /// The announced literal's bytes go elsewhere, by the caller's hand; what follows them is a line of
    /// its own, and the text so far is given up.
    pub fn divert(&mut self) {
        self.clear();
    }

    /// Ready for the next command. Gives memory back that a large command took.
    pub fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(limits::TAG_BYTES_MAX);
        self.line_start = 0;
        self.literal_left = 0;
    }
}

/// `{` number [`+`] `}` CRLF at the end of a line. A number too large for us still announces a literal.
fn parse_literal_head(line: &[u8]) -> Option<Literal> {
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line).strip_suffix(b"}")?;
    let open = line.iter().rposition(|&byte| byte == b'{')?;
    let inner = line.get(open + 1..)?;
    let (digits, waits) = match inner.strip_suffix(b"+") {
        Some(digits) => (digits, false),
        None => (inner, true),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size_bytes = std::str::from_utf8(digits).ok()?.parse().unwrap_or(u64::MAX);
    Some(Literal { size_bytes, waits })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces and returns the commands' texts; literals are all accepted.
    fn commands(input: &[u8], piece: usize) -> (Vec<Vec<u8>>, Vec<Event>) {
        let mut fragmentizer = Fragmentizer::new(Bounds::AFTER_LOGIN);
        let (mut all, mut events) = (Vec::new(), Vec::new());
        for chunk in input.chunks(piece) {
            let mut chunk = chunk;
            while !chunk.is_empty() {
                let (taken, event) = fragmentizer.push(chunk);
                chunk = &chunk[taken..];
                match event {
                    Event::More => continue,
                    Event::Literal(literal) => assert!(fragmentizer.accept(literal)),
                    Event::Command => {
                        all.push(fragmentizer.text().to_vec());
                        fragmentizer.clear();
                    }
                    _ => panic!("{event:?}"),
                }
                events.push(event);
            }
        }
        (all, events)
    }

    #[test]
    fn any_cut_gives_the_same_commands() {
        let input = b"a LOGIN {5}\r\nalice {3+}\r\nx\r\n\r\nb NOOP\r\nc X {0}\r\n\r\nd SELECT \"a{3}\"\n";
        let whole = commands(input, input.len());
        assert_eq!(whole.0.len(), 4);
        assert_eq!(whole.0[0], b"a LOGIN {5}\r\nalice {3+}\r\nx\r\n\r\n");
        for piece in 1..input.len() {
            assert_eq!(commands(input, piece), whole, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_literal_head() {
        for (line, head) in [
            (&b"{5}\r\n"[..], Some((5, true))),
            (b"x {5+}\r\n", Some((5, false))),
            (b"~{0}\n", Some((0, true))),
            (b"{99999999999999999999999}\r\n", Some((u64::MAX, true))),
            (b"{}\r\n", None),
            (b"{-1}\r\n", None),
            (b"{5} \r\n", None),
            (b"5}\r\n", None),
        ] {
            let head = head.map(|(size_bytes, waits)| Literal { size_bytes, waits });
            assert_eq!(parse_literal_head(line), head, "{line:?}");
        }
    }

    #[test]
    fn a_line_has_a_bound() {
        for (bounds, max) in
            [(Bounds::BEFORE_LOGIN, limits::LINE_BYTES_BEFORE_LOGIN_MAX), (Bounds::AFTER_LOGIN, limits::LINE_BYTES_MAX)]
        {
            for (length, event) in [(max, Event::Command), (max + 1, Event::LineTooLong)] {
                let mut line = vec![b'a'; length - 2];
                line.extend_from_slice(b"\r\n");
                assert_eq!(Fragmentizer::new(bounds).push(&line).1, event);
            }
        }
        let mut endless = Fragmentizer::new(Bounds::BEFORE_LOGIN);
        let mut pushed = 0;
        while endless.push(&[b'x'; 1000]).1 == Event::More {
            pushed += 1000;
        }
        assert!(pushed <= limits::LINE_BYTES_BEFORE_LOGIN_MAX);
    }

    #[test]
    fn a_literal_has_a_bound() {
        for (size_bytes, fits) in
            [(limits::LITERAL_BYTES_BEFORE_LOGIN_MAX, true), (limits::LITERAL_BYTES_BEFORE_LOGIN_MAX + 1, false), (u64::MAX, false)]
        {
            let mut fragmentizer = Fragmentizer::new(Bounds::BEFORE_LOGIN);
            let (_, event) = fragmentizer.push(format!("a LOGIN {{{size_bytes}}}\r\n").as_bytes());
            let Event::Literal(literal) = event else { panic!("{event:?}") };
            assert_eq!(fragmentizer.accept(literal), fits);
        }
    }

    #[test]
    fn a_command_has_a_bound() {
        for (bounds, max) in
            [(Bounds::BEFORE_LOGIN, limits::COMMAND_BYTES_BEFORE_LOGIN_MAX), (Bounds::AFTER_LOGIN, limits::COMMAND_BYTES_MAX)]
        {
            let mut fragmentizer = Fragmentizer::new(bounds);
            let mut literals = 0;
            loop {
                let (_, event) = fragmentizer.push(b"{4096}\r\n");
                let Event::Literal(literal) = event else { panic!("{event:?}") };
                if !fragmentizer.accept(literal) {
                    break;
                }
                assert_eq!(fragmentizer.push(&[b'x'; 4096]).1, Event::More);
                literals += 1;
            }
            assert_eq!(literals, max / 4096 - 1);
        }
    }
}
