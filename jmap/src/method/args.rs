// SPDX-License-Identifier: AGPL-3.0-or-later
//! The arguments of a call, taken one by one and checked; what is left over at the end is an error. Pure.

use hearth_types::AccountId;
use serde_json::{Map, Value};

use crate::error::MethodError;
use crate::request::{Arguments, is_id};

/// RFC 8620 §1.3: the largest UnsignedInt.
pub const UNSIGNED_INT_MAX: u64 = (1 << 53) - 1;

/// Arguments that have not been looked at yet.
pub struct Args(Arguments);

impl Args {
    /// All of a call's arguments.
    pub fn new(arguments: Arguments) -> Self {
        Self(arguments)
    }

    /// All of them, as they came.
    pub fn into_inner(self) -> Arguments {
        self.0
    }

    /// The argument `name`; `None` when it is missing or null.
    pub fn take<T: FromArg>(&mut self, name: &str) -> Result<Option<T>, MethodError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::from_arg(value).map(Some).ok_or_else(|| invalid(format!("{name} is not {}", T::SHAPE))),
        }
    }

    /// The argument `name` where null says something: `None` when it is missing, `Some(None)` when it is null.
    pub fn take_nullable<T: FromArg>(&mut self, name: &str) -> Result<Option<Option<T>>, MethodError> {
        if self.0.contains_key(name) { self.take(name).map(Some) } else { Ok(None) }
    }

    /// The argument `name`, which has to be there.
    pub fn need<T: FromArg>(&mut self, name: &str) -> Result<T, MethodError> {
        self.take(name)?.ok_or_else(|| invalid(format!("{name} is missing")))
    }

    /// `accountId`, which has to be the account `own`.
    pub fn check_account(&mut self, own: AccountId) -> Result<(), MethodError> {
        let id: Id = self.need("accountId")?;
        if id.0.parse() == Ok(own) { Ok(()) } else { Err(MethodError::AccountNotFound) }
    }

    /// No argument may be left over.
    pub fn finish(self) -> Result<(), MethodError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(invalid(format!("{name} is not an argument of this method"))),
        }
    }
}

fn invalid(why: String) -> MethodError {
    MethodError::InvalidArguments(why)
}

/// An Id of RFC 8620 §1.2, ours or not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Id(pub String);

/// What an argument may be.
pub trait FromArg: Sized {
    /// What it is, for "x is not ...".
    const SHAPE: &'static str;

    /// The value, if it has that shape.
    fn from_arg(value: Value) -> Option<Self>;
}

impl FromArg for bool {
    const SHAPE: &'static str = "a boolean";

    fn from_arg(value: Value) -> Option<Self> {
        value.as_bool()
    }
}

impl FromArg for String {
    const SHAPE: &'static str = "a string";

    fn from_arg(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

impl FromArg for Id {
    const SHAPE: &'static str = "an id";

    fn from_arg(value: Value) -> Option<Self> {
        String::from_arg(value).filter(|text| is_id(text)).map(Self)
    }
}

impl FromArg for u64 {
    const SHAPE: &'static str = "an unsigned integer";

    fn from_arg(value: Value) -> Option<Self> {
        value.as_u64().filter(|&number| number <= UNSIGNED_INT_MAX)
    }
}

impl FromArg for i64 {
    const SHAPE: &'static str = "an integer";

    fn from_arg(value: Value) -> Option<Self> {
        value.as_i64().filter(|number| number.unsigned_abs() <= UNSIGNED_INT_MAX)
    }
}

impl FromArg for Map<String, Value> {
    const SHAPE: &'static str = "an object";

    fn from_arg(value: Value) -> Option<Self> {
        match value {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }
}

impl FromArg for Value {
    const SHAPE: &'static str = "a value";

    fn from_arg(value: Value) -> Option<Self> {
        Some(value)
    }
}

impl<T: FromArg> FromArg for Vec<T> {
    const SHAPE: &'static str = "an array of the right things";

    fn from_arg(value: Value) -> Option<Self> {
        match value {
            Value::Array(items) => items.into_iter().map(T::from_arg).collect(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_types::Timestamp;
    use serde_json::json;

    fn args(value: Value) -> Args {
        Args::new(value.as_object().expect("an object").clone())
    }

    #[test]
    fn each_is_taken_once_and_nothing_may_be_left() {
        let mut a = args(json!({"n": 3, "s": null, "x": 1}));
        assert_eq!(a.take::<u64>("n"), Ok(Some(3)));
        assert_eq!(a.take::<u64>("n"), Ok(None));
        assert_eq!(a.take::<String>("s"), Ok(None));
        assert!(a.need::<String>("s").is_err());
        assert!(a.finish().is_err());
    }

    #[test]
    fn integers_are_bounded_on_both_sides() {
        // RFC 8620 §1.3: -2^53+1 to 2^53-1.
        let most = i64::try_from(UNSIGNED_INT_MAX).expect("it fits");
        assert_eq!(args(json!({"n": most})).take::<i64>("n"), Ok(Some(most)));
        assert_eq!(args(json!({"n": -most})).take::<i64>("n"), Ok(Some(-most)));
        assert!(args(json!({"n": most + 1})).take::<i64>("n").is_err());
        assert!(args(json!({"n": -most - 1})).take::<i64>("n").is_err());
        assert!(args(json!({"n": most + 1})).take::<u64>("n").is_err());
        assert!(args(json!({"n": -1})).take::<u64>("n").is_err());
        assert!(args(json!({"n": 1.5})).take::<u64>("n").is_err());
    }

    #[test]
    fn only_the_own_account() {
        let own = AccountId::new(Timestamp::from_secs(1));
        let other = AccountId::new(Timestamp::from_secs(2));
        assert_eq!(args(json!({"accountId": own.to_string()})).check_account(own), Ok(()));
        assert_eq!(args(json!({"accountId": other.to_string()})).check_account(own), Err(MethodError::AccountNotFound));
        assert_eq!(args(json!({"accountId": "x"})).check_account(own), Err(MethodError::AccountNotFound));
        assert_eq!(args(json!({})).check_account(own).expect_err("missing").name(), "invalidArguments");
        assert_eq!(args(json!({"accountId": 1})).check_account(own).expect_err("a number").name(), "invalidArguments");
    }
}
