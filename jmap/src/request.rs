// SPDX-License-Identifier: AGPL-3.0-or-later
//! The Request object (RFC 8620 §3.3): read, bounded, and its back-references resolved (§3.7). Pure.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::error::{MethodError, Problem};
use crate::ijson::parse_ijson;
use crate::limits::{CALLS_IN_REQUEST_MAX, CREATED_IDS_MAX, ID_BYTES_MAX, SIZE_REQUEST_BYTES_MAX};
use crate::pointer;

/// Arguments of a call or a response.
pub type Arguments = Map<String, Value>;

/// What a client sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The capabilities that it means to use; all of them are spoken here.
    pub using: Vec<String>,
    /// What to run, in this order.
    pub calls: Vec<Invocation>,
    /// Creation ids of earlier requests; `Some` asks for the map back.
    pub created_ids: Option<HashMap<String, String>>,
}

/// RFC 8620 §3.2: a call, or a response to one.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// The method, or `error`.
    pub name: String,
    /// Its named arguments.
    pub arguments: Arguments,
    /// The client's id of the call.
    pub call_id: String,
}

impl Invocation {
    /// The array that stands for it in JSON.
    pub fn to_wire(self) -> Value {
        json!([self.name, self.arguments, self.call_id])
    }
}

/// Reads a Request object. `is_spoken` says whether we advertise a capability.
pub fn parse_request(body: &[u8], is_spoken: impl Fn(&str) -> bool) -> Result<Request, Problem> {
    if body.len() > SIZE_REQUEST_BYTES_MAX {
        return Err(Problem::Limit("maxSizeRequest"));
    }
    let Value::Object(mut object) = parse_ijson(body).map_err(Problem::NotJson)? else {
        return Err(not_request("it is not an object"));
    };
    let using = match object.remove("using") {
        Some(Value::Array(names)) => names
            .into_iter()
            .map(|name| match name {
                Value::String(name) => Ok(name),
                _ => Err(not_request("using holds something that is not a string")),
            })
            .collect::<Result<Vec<_>, _>>()?,
        _ => return Err(not_request("using is missing, or not an array")),
    };
    let Some(Value::Array(calls)) = object.remove("methodCalls") else {
        return Err(not_request("methodCalls is missing, or not an array"));
    };
    // RFC 8620 §3.6.1: the shape comes first, then the capabilities, then the limits.
    let call_count = calls.len();
    let calls = calls.into_iter().map(parse_invocation).collect::<Result<Vec<_>, _>>()?;
    let created_ids = object.remove("createdIds").map(parse_created_ids).transpose()?;
    if let Some(name) = using.iter().find(|name| !is_spoken(name)) {
        return Err(Problem::UnknownCapability(name.clone()));
    }
    if call_count > CALLS_IN_REQUEST_MAX {
        return Err(Problem::Limit("maxCallsInRequest"));
    }
    Ok(Request { using, calls, created_ids })
}

fn not_request(why: &str) -> Problem {
    Problem::NotRequest(why.to_string())
}

fn parse_invocation(value: Value) -> Result<Invocation, Problem> {
    if let Value::Array(items) = value
        && let Ok([Value::String(name), Value::Object(arguments), Value::String(call_id)]) = <[Value; 3]>::try_from(items)
    {
        return Ok(Invocation { name, arguments, call_id });
    }
    Err(not_request("a method call is not an array of a name, an arguments object and a call id"))
}

fn parse_created_ids(value: Value) -> Result<HashMap<String, String>, Problem> {
    let wrong = || not_request("createdIds is not an object of ids");
    let Value::Object(object) = value else {
        return Err(wrong());
    };
    if object.len() > CREATED_IDS_MAX {
        return Err(Problem::Limit("maxCreatedIds"));
    }
    object
        .into_iter()
        .map(|(key, value)| match value {
            Value::String(id) if is_id(&key) && is_id(&id) => Ok((key, id)),
            _ => Err(wrong()),
        })
        .collect()
}

/// RFC 8620 §1.2: 1 to 255 octets of `A-Za-z0-9_-`.
pub fn is_id(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// RFC 8620 §3.7: puts in place of each `#name` argument what its ResultReference points at.
/// `find` gives the first response to a call id.
pub fn resolve_references<'r>(
    arguments: Arguments,
    find: impl Fn(&str) -> Option<&'r Invocation>,
) -> Result<Arguments, MethodError> {
    if !arguments.keys().any(|name| name.starts_with('#')) {
        return Ok(arguments);
    }
    let mut resolved = Map::new();
    for (name, value) in arguments {
        let (name, value) = match name.strip_prefix('#') {
            Some(plain) => (plain.to_string(), resolve_reference(&value, &find)?),
            None => (name, value),
        };
        if resolved.contains_key(&name) {
            return Err(MethodError::InvalidArguments(format!("{name} stands both as a value and as a reference")));
        }
        resolved.insert(name, value);
    }
    Ok(resolved)
}

fn resolve_reference<'r>(reference: &Value, find: &impl Fn(&str) -> Option<&'r Invocation>) -> Result<Value, MethodError> {
    let text = |name: &str| reference.get(name).and_then(Value::as_str);
    let (Some(result_of), Some(name), Some(path)) = (text("resultOf"), text("name"), text("path")) else {
        return Err(MethodError::InvalidResultReference("a ResultReference has resultOf, name and path".to_string()));
    };
    // RFC 8620 §3.7: the first response with that call id; then its name has to be the one that was named.
    let response = find(result_of)
        .filter(|response| response.name == name)
        .ok_or_else(|| MethodError::InvalidResultReference(format!("there is no response {name} to the call {result_of}")))?;
    pointer::evaluate(path, &response.arguments).map_err(|error| MethodError::InvalidResultReference(error.why().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::JSON_DEPTH_MAX;

    const CORE: &str = "urn:ietf:params:jmap:core";

    fn read(value: &Value) -> Result<Request, Problem> {
        parse_request(value.to_string().as_bytes(), |name| name == CORE || name == "urn:ietf:params:jmap:mail")
    }

    fn object(value: Value) -> Arguments {
        value.as_object().expect("an object").clone()
    }

    fn response(name: &str, arguments: Value, call_id: &str) -> Invocation {
        Invocation { name: name.into(), arguments: object(arguments), call_id: call_id.into() }
    }

    fn resolve(arguments: Arguments, responses: &[Invocation]) -> Result<Arguments, MethodError> {
        resolve_references(arguments, |id| responses.iter().find(|response| response.call_id == id))
    }

    #[test]
    fn the_example_of_rfc_8620_section_3_3_1() {
        let request = read(&json!({
            "using": ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"],
            "methodCalls": [
                ["method1", {"arg1": "arg1data", "arg2": "arg2data"}, "c1"],
                ["method2", {"arg1": "arg1data"}, "c2"],
                ["method3", {}, "c3"]
            ]
        }))
        .expect("a request");
        assert_eq!(request.calls.len(), 3);
        assert_eq!(request.calls[1], response("method2", json!({"arg1": "arg1data"}), "c2"));
        assert_eq!(request.created_ids, None);
    }

    #[test]
    fn what_is_not_a_request() {
        for value in [
            json!([]),
            json!({}),
            json!({"using": [CORE]}),
            json!({"methodCalls": []}),
            json!({"using": CORE, "methodCalls": []}),
            json!({"using": [1], "methodCalls": []}),
            json!({"using": [CORE], "methodCalls": {}}),
            json!({"using": [CORE], "methodCalls": [["Core/echo", {}]]}),
            json!({"using": [CORE], "methodCalls": [["Core/echo", [], "c"]]}),
            json!({"using": [CORE], "methodCalls": [["Core/echo", {}, 1]]}),
            json!({"using": [CORE], "methodCalls": [["Core/echo", {}, "c", 1]]}),
            json!({"using": [CORE], "methodCalls": [], "createdIds": []}),
            json!({"using": [CORE], "methodCalls": [], "createdIds": {"a b": "x"}}),
            json!({"using": [CORE], "methodCalls": [], "createdIds": {"a": 1}}),
        ] {
            assert!(matches!(read(&value), Err(Problem::NotRequest(_))), "{value}");
        }
    }

    #[test]
    fn what_is_not_json() {
        for body in [&b""[..], b"{", b"\xff", b"{\"using\":[],\"using\":[]}"] {
            assert!(matches!(parse_request(body, |_| true), Err(Problem::NotJson(_))));
        }
    }

    #[test]
    fn an_unknown_capability_is_named() {
        let value = json!({"using": [CORE, "urn:x"], "methodCalls": []});
        assert_eq!(read(&value), Err(Problem::UnknownCapability("urn:x".into())));
    }

    #[test]
    fn limits_hold_on_both_sides() {
        let calls = |n: usize| json!({"using": [CORE], "methodCalls": vec![json!(["Core/echo", {}, "c"]); n]});
        assert!(read(&calls(CALLS_IN_REQUEST_MAX)).is_ok());
        assert_eq!(read(&calls(CALLS_IN_REQUEST_MAX + 1)), Err(Problem::Limit("maxCallsInRequest")));

        let mut body = calls(0).to_string().into_bytes();
        body.resize(SIZE_REQUEST_BYTES_MAX, b' ');
        assert!(parse_request(&body, |_| true).is_ok());
        body.push(b' ');
        assert_eq!(parse_request(&body, |_| true), Err(Problem::Limit("maxSizeRequest")));

        let created = |n: usize| {
            let ids: Map<String, Value> = (0..n).map(|i| (format!("k{i}"), "x".into())).collect();
            json!({"using": [CORE], "methodCalls": [], "createdIds": ids})
        };
        assert!(read(&created(CREATED_IDS_MAX)).is_ok());
        assert_eq!(read(&created(CREATED_IDS_MAX + 1)), Err(Problem::Limit("maxCreatedIds")));

        let deep =
            |levels: usize| format!("{{\"using\":[],\"methodCalls\":[],\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse_request(deep(JSON_DEPTH_MAX - 1).as_bytes(), |_| true).is_ok());
        assert!(matches!(parse_request(deep(JSON_DEPTH_MAX).as_bytes(), |_| true), Err(Problem::NotJson(_))));
    }

    #[test]
    fn ids_are_bounded_on_both_sides() {
        assert!(is_id(&"a".repeat(ID_BYTES_MAX)) && !is_id(&"a".repeat(ID_BYTES_MAX + 1)));
        assert!(is_id("A-z_0") && !is_id("") && !is_id("a b") && !is_id("é"));
    }

    #[test]
    fn the_example_of_rfc_8620_section_3_7() {
        let responses = [response("Foo/changes", json!({"created": ["f1", "f4"], "updated": []}), "t0")];
        let arguments = object(json!({
            "accountId": "A1",
            "#ids": {"resultOf": "t0", "name": "Foo/changes", "path": "/created"}
        }));
        let resolved = resolve(arguments, &responses).expect("resolved");
        assert_eq!(resolved, object(json!({"accountId": "A1", "ids": ["f1", "f4"]})));
    }

    #[test]
    fn references_that_lead_nowhere() {
        let responses =
            [response("error", json!({"type": "serverFail"}), "t0"), response("Foo/get", json!({"list": [{"id": "x"}]}), "t1")];
        for reference in [
            json!({"resultOf": "t0", "name": "Foo/get", "path": "/list"}),
            json!({"resultOf": "t1", "name": "Foo/query", "path": "/list"}),
            json!({"resultOf": "t2", "name": "Foo/get", "path": "/list"}),
            json!({"resultOf": "t1", "name": "Foo/get", "path": "/ids"}),
            json!({"resultOf": "t1", "name": "Foo/get", "path": "list"}),
            json!({"resultOf": "t1", "name": "Foo/get"}),
            json!("t1"),
        ] {
            let error = resolve(object(json!({"#ids": reference})), &responses).expect_err("no value");
            assert_eq!(error.name(), "invalidResultReference", "{reference}");
        }
    }

    #[test]
    fn a_name_in_both_forms_is_invalid() {
        let responses = [response("Foo/get", json!({"list": []}), "t1")];
        let both = json!({"ids": [], "#ids": {"resultOf": "t1", "name": "Foo/get", "path": "/list"}});
        assert_eq!(resolve(object(both), &responses).expect_err("both").name(), "invalidArguments");
    }

    #[test]
    fn law_arguments_without_references_stay_as_they_are() {
        for value in [json!({}), json!({"a": {"#b": {"resultOf": "x"}}, "c": ["#d"]})] {
            assert_eq!(resolve(object(value.clone()), &[]), Ok(object(value)));
        }
    }
}
