// SPDX-License-Identifier: AGPL-3.0-or-later
//! The calls of one request, run in their order (RFC 8620 §3.4): found in the registry, their
//! back-references resolved, their responses gathered.
//!
//! Reading calls that follow each other run in one transaction on one blocking thread: `Email/query`
//! and the `Email/get` behind it see one snapshot and cost one hop. What is not in the mail is filled in afterwards.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::ctx::{Caller, ChangeFuture, Changing, CreatedIds, House, Reading, Room, Run};
use crate::error::MethodError;
use crate::limits::CREATED_IDS_MAX;
use crate::method::args::Args;
use crate::registry::{self, Method};
use crate::request::{Arguments, Invocation, Request, resolve_references};

/// What the request comes to: the Response object without its sessionState.
pub struct Answered {
    /// One or more responses per call.
    pub responses: Vec<Invocation>,
    /// The map, when the client sent one.
    pub created_ids: Option<CreatedIds>,
}

impl Answered {
    /// The Response object (RFC 8620 §3.4).
    pub fn to_wire(self, session_state: &str) -> Value {
        let responses: Vec<Value> = self.responses.into_iter().map(Invocation::to_wire).collect();
        let mut object = json!({ "methodResponses": responses, "sessionState": session_state });
        if let Some(created_ids) = self.created_ids {
            object["createdIds"] = created_ids.into_iter().map(|(key, id)| (key, id.into())).collect::<Map<_, _>>().into();
        }
        object
    }
}

/// A call, and what carries it out; `None` when nothing does.
type Planned = (Invocation, Option<&'static Method>);

/// Runs all calls of a request.
pub async fn run(house: &Arc<House>, caller: &Caller, request: Request) -> Answered {
    let wants_ids = request.created_ids.is_some();
    let mut so_far =
        SoFar { responses: Arc::default(), room: Room::default(), created: Arc::new(request.created_ids.unwrap_or_default()) };
    let mut calls = request.calls.into_iter().map(|call| plan(call, &request.using)).peekable();
    while let Some((call, method)) = calls.next() {
        if let Some(Method { run: Run::Change(change), .. }) = method {
            let response = run_change(house, caller, *change, call, &mut so_far).await;
            Arc::make_mut(&mut so_far.responses).push(response);
            continue;
        }
        let mut batch = vec![(call, method)];
        while let Some(next) = calls.next_if(|(_, method)| !matches!(method, Some(Method { run: Run::Change(_), .. }))) {
            batch.push(next);
        }
        let methods: Vec<_> = batch.iter().map(|(_, method)| *method).collect();
        let (new, room) = run_reads(house, caller, batch, &so_far).await;
        so_far.room = room;
        for (response, method) in new.into_iter().zip(methods) {
            let response = fill(house, method, response, &mut so_far.room).await;
            Arc::make_mut(&mut so_far.responses).push(response);
        }
    }
    let created_ids = wants_ids.then(|| Arc::unwrap_or_clone(so_far.created));
    Answered { responses: Arc::unwrap_or_clone(so_far.responses), created_ids }
}

/// What the calls before have left behind. Shared with the thread that reads; nobody else holds it when it grows.
#[derive(Clone)]
struct SoFar {
    responses: Arc<Vec<Invocation>>,
    room: Room,
    created: Arc<CreatedIds>,
}

fn plan(call: Invocation, using: &[String]) -> Planned {
    let method = registry::find_method(&call.name, using);
    metrics::counter!("hearth_jmap_calls_total", "method" => method.map_or("unknown", |method| method.name)).increment(1);
    (call, method)
}

async fn run_change(
    house: &Arc<House>,
    caller: &Caller,
    change: fn(Changing, Args) -> ChangeFuture,
    call: Invocation,
    so_far: &mut SoFar,
) -> Invocation {
    let Invocation { name, arguments, call_id } = call;
    let resolved = resolve_references(arguments, |id| so_far.responses.iter().find(|response| response.call_id == id));
    let result = match resolved {
        Ok(arguments) => {
            let changing = Changing { house: Arc::clone(house), caller: caller.clone(), created: Arc::clone(&so_far.created) };
            change(changing, Args::new(arguments)).await
        }
        Err(error) => Err(error),
    };
    let result = result.map(|outcome| {
        let created = Arc::make_mut(&mut so_far.created);
        let room = CREATED_IDS_MAX.saturating_sub(created.len());
        created.extend(outcome.created.into_iter().take(room));
        outcome.arguments
    });
    to_response(name, call_id, result)
}

/// Runs reading calls in one snapshot; when the snapshot itself cannot be had, each of them failed.
async fn run_reads(house: &Arc<House>, caller: &Caller, batch: Vec<Planned>, so_far: &SoFar) -> (Vec<Invocation>, Room) {
    let names: Vec<_> = batch.iter().map(|(call, _)| (call.name.clone(), call.call_id.clone())).collect();
    let (mut so_far, their_caller) = (so_far.clone(), caller.clone());
    let room = so_far.room;
    let read: Result<_, MethodError> = house
        .store
        .read(caller.account, move |tx| {
            let mut new: Vec<Invocation> = Vec::with_capacity(batch.len());
            for (call, method) in batch {
                let Invocation { name, arguments, call_id } = call;
                let (responses, created, room) = (&so_far.responses, &so_far.created, &mut so_far.room);
                let find = |id: &str| responses.iter().chain(&new).find(|response| response.call_id == id);
                let result = match method.map(|method| method.run) {
                    Some(Run::Read(read) | Run::ReadAndFill(read, _)) => {
                        resolve_references(arguments, find).and_then(|arguments| {
                            let mut reading = Reading { tx, caller: &their_caller, created, room };
                            read(&mut reading, Args::new(arguments))
                        })
                    }
                    _ => Err(MethodError::UnknownMethod),
                };
                new.push(to_response(name, call_id, result));
            }
            Ok((new, so_far.room))
        })
        .await;
    read.unwrap_or_else(|error| {
        (names.into_iter().map(|(name, call_id)| to_response(name, call_id, Err(error.clone()))).collect(), room)
    })
}

/// Fills in what the snapshot did not have, if the method has such a thing and did not fail.
async fn fill(house: &House, method: Option<&'static Method>, response: Invocation, room: &mut Room) -> Invocation {
    match method {
        Some(Method { name, run: Run::ReadAndFill(_, fill), .. }) if response.name == *name => {
            let filled = fill(house, response.arguments, room).await;
            to_response(response.name, response.call_id, filled)
        }
        _ => response,
    }
}

fn to_response(name: String, call_id: String, result: Result<Arguments, MethodError>) -> Invocation {
    match result {
        Ok(arguments) => Invocation { name, arguments, call_id },
        // RFC 8620 §3.6.2: the name of the response is `error`.
        Err(error) => {
            metrics::counter!("hearth_jmap_method_errors_total", "type" => error.name()).increment(1);
            Invocation { name: "error".to_string(), arguments: error.to_wire(), call_id }
        }
    }
}
