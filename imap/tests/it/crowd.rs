// SPDX-License-Identifier: AGPL-3.0-or-later
//! Very many sessions of one account, over real sockets: each believes only what it was told, and all end in one truth.

use std::sync::Arc;

use crate::harness::Home;
use crate::model::{Manner, Program};

/// What the house promises.
const SESSIONS: usize = 200;
/// So many of them change things; all of them listen.
const WRITERS: usize = 20;
const STEPS: usize = 12;

/// One of the writers; what it does depends on its number and on what it was told alone.
async fn write(program: &mut Program, number: usize) {
    for step in 0..STEPS {
        let known: Vec<u32> = program.uids.iter().flatten().copied().collect();
        let pick = known.get((number * 7 + step * 3) % known.len().max(1)).copied();
        match ((number + step) % 5, pick) {
            (0, _) | (_, None) => drop(program.command("APPEND INBOX (\\Seen) {14+}\r\nSubject: x\r\n\r\n").await),
            (1, Some(uid)) => drop(program.command(&format!("UID STORE {uid} +FLAGS (\\Flagged $f{number})")).await),
            (2, Some(uid)) => drop(program.command(&format!("UID STORE {uid} +FLAGS (\\Deleted)")).await),
            (3, Some(_)) => drop(program.command("EXPUNGE").await),
            _ => program.look().await,
        }
    }
}

/// Sequence numbers shift where they may alone, no EXPUNGE is lost, MODSEQ does not go back: [`Program`] insists on it for
/// every line that any of the sessions reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_sessions_believe_one_truth() {
    let home = Arc::new(Home::new().await);
    let mut opening = Vec::new();
    for number in 0..SESSIONS {
        let home = Arc::clone(&home);
        let manner = if number % 4 == 1 { Manner::Notified } else { Manner::Plain };
        opening.push(tokio::spawn(async move { Program::new(&home, 0, manner).await }));
    }
    let mut running = Vec::new();
    for (number, opened) in opening.into_iter().enumerate() {
        let mut program = opened.await.expect("it opens");
        running.push(tokio::spawn(async move {
            if number < WRITERS {
                write(&mut program, number).await;
            } else {
                program.look().await;
            }
            program
        }));
    }
    let mut programs = Vec::new();
    for one in running {
        programs.push(one.await.expect("no rule was broken"));
    }
    let mut fresh = Program::new(&home, 0, Manner::Plain).await;
    fresh.look().await;
    let truth = fresh.believes();
    assert!(!truth.is_empty(), "something was done");
    for program in &mut programs {
        program.look().await;
        assert_eq!(program.believes(), truth);
    }
    assert_eq!(programs.len(), SESSIONS);
}
