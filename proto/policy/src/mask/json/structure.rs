//! What may come where in JSON (RFC 8259 §2 to §5), and which class everything below a named field belongs to.

use crate::mask::Uninspectable;
use crate::mask::names::Named;
use crate::mask::plan::ClassId;

/// Deepest nesting of arrays and objects.
const MAX_DEPTH: usize = 128;

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Expect {
    /// At the very beginning.
    #[default]
    Start,
    /// Behind the guard, its comma; or as at the top.
    Guarded,
    /// At the top: a value, or the end.
    Top,
    /// A value.
    Value,
    /// A value or `]`.
    FirstValue,
    /// A key.
    Key,
    /// A key or `}`.
    FirstKey,
    /// The colon behind a key.
    Colon,
    /// A comma, or the end of the array or object.
    Comma,
}

/// One open array or object.
#[derive(Debug, Clone, Copy)]
struct Level {
    is_object: bool,
    /// The class of everything in it, where it is in the value of a named field.
    class: Option<ClassId>,
}

/// Where a document is.
#[derive(Debug, Default)]
pub(super) struct Structure {
    expect: Expect,
    levels: Vec<Level>,
    /// What the last key says about its value.
    named: Option<Named>,
}

/// What a string is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A key.
    Key,
    /// A value, and what its name says about it.
    Value(Option<Named>),
}

impl Structure {
    /// Returns whether the document may end here.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.expect, Expect::Start | Expect::Guarded | Expect::Top)
    }

    /// Returns whether nothing but blanks was there.
    pub(super) const fn is_at_start(&self) -> bool {
        matches!(self.expect, Expect::Start)
    }

    /// Takes the guard.
    pub(super) const fn guarded(&mut self) {
        self.expect = Expect::Guarded;
    }

    /// Returns whether a string may begin here.
    pub(super) const fn takes_string(&self) -> bool {
        self.takes_value() || matches!(self.expect, Expect::Key | Expect::FirstKey)
    }

    /// Returns whether a value may begin here.
    pub(super) const fn takes_value(&self) -> bool {
        use Expect::{Colon, Comma, FirstKey, FirstValue, Guarded, Key, Start, Top, Value};
        match self.expect {
            Start | Guarded | Top | Value | FirstValue => true,
            Key | FirstKey | Colon | Comma => false,
        }
    }

    /// Takes a byte that stands for itself.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> Result<(), Uninspectable> {
        let top = self.levels.last().copied();
        let is_object = top.is_some_and(|level| level.is_object);
        match (byte, self.expect) {
            (b' ' | b'\t' | b'\r' | b'\n', _) => {}
            // RFC 7464 §2.2: the record separator before each text.
            (0x1e, Expect::Start | Expect::Top) => self.expect = Expect::Top,
            (b'{' | b'[', _) if self.takes_value() => return self.open(byte == b'{'),
            (b'}', Expect::FirstKey) => self.close(),
            (b'}', Expect::Comma) if is_object => self.close(),
            (b']', Expect::FirstValue) => self.close(),
            (b']', Expect::Comma) if !is_object => self.close(),
            (b',', Expect::Comma) => self.expect = if is_object { Expect::Key } else { Expect::Value },
            (b',', Expect::Guarded) => self.expect = Expect::Top,
            (b':', Expect::Colon) => self.expect = Expect::Value,
            _ => return Err(Uninspectable::Malformed),
        }
        Ok(())
    }

    /// Takes a string and returns what it is; behind a key comes [`Structure::name`].
    pub(super) fn take_string(&mut self) -> Role {
        if matches!(self.expect, Expect::Key | Expect::FirstKey) {
            self.expect = Expect::Colon;
            return Role::Key;
        }
        Role::Value(self.take_value())
    }

    /// Takes what the key says.
    pub(super) const fn name(&mut self, named: Option<Named>) {
        self.named = named;
    }

    /// Takes a value that is neither an array nor an object, and returns what its name says.
    pub(super) fn take_value(&mut self) -> Option<Named> {
        let named = self.named.take();
        let inherited = self.levels.last().and_then(|level| level.class).map(Named::Field);
        self.after_value();
        match named {
            Some(Named::Field(_)) => named,
            Some(Named::Secret(_)) | None => inherited.or(named),
        }
    }

    fn open(&mut self, is_object: bool) -> Result<(), Uninspectable> {
        if self.levels.len() >= MAX_DEPTH {
            return Err(Uninspectable::TooDeep);
        }
        let inherited = self.levels.last().and_then(|level| level.class);
        let class = match self.named.take() {
            Some(Named::Field(class)) => Some(class),
            Some(Named::Secret(_)) | None => inherited,
        };
        self.levels.push(Level { is_object, class });
        self.expect = if is_object { Expect::FirstKey } else { Expect::FirstValue };
        Ok(())
    }

    fn close(&mut self) {
        self.levels.pop();
        self.after_value();
    }

    fn after_value(&mut self) {
        self.expect = if self.levels.is_empty() { Expect::Top } else { Expect::Comma };
    }
}
