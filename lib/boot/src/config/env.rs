// SPDX-License-Identifier: AGPL-3.0-or-later
//! Variables `HEARTH_<SECTION>__<KEY>` override the file.
//!
//! The value is read as the kind of thing that the setting is: a text as it stands, a number, true or false, a
//! list separated by commas.

use toml::{Table, Value};

use super::error::one_line;
use super::{ConfigError, File};

const PREFIX: &str = "HEARTH_";

/// The file with the variables applied.
pub(super) fn overridden(file: File, variables: impl IntoIterator<Item = (String, String)>) -> Result<File, ConfigError> {
    let mut file = file;
    for (name, value) in variables {
        let Some((section, key)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__")) else {
            continue;
        };
        file = set(file, &name, &section.to_lowercase(), &key.to_lowercase(), &value)?;
    }
    Ok(file)
}

fn set(file: File, name: &str, section: &str, key: &str, value: &str) -> Result<File, ConfigError> {
    let wrong = |message: String| ConfigError::Variable { name: name.to_owned(), message };
    let mut table = Table::try_from(&file).map_err(|error| wrong(one_line(&error.to_string())))?;
    let slot = table
        .get_mut(section)
        .and_then(Value::as_table_mut)
        .and_then(|section| section.get_mut(key))
        .ok_or_else(|| wrong(format!("there is no setting {section}.{key}")))?;
    *slot = read_as(slot, value).map_err(|expected| wrong(format!("{value:?} is not {expected}")))?;
    table.try_into().map_err(|error: toml::de::Error| wrong(one_line(error.message())))
}

fn read_as(kind: &Value, text: &str) -> Result<Value, &'static str> {
    match kind {
        Value::Integer(_) => text.trim().parse().map(Value::Integer).map_err(|_| "a whole number"),
        Value::Float(_) => text.trim().parse().map(Value::Float).map_err(|_| "a number"),
        Value::Boolean(_) => text.trim().parse().map(Value::Boolean).map_err(|_| "true or false"),
        Value::Array(_) => Ok(Value::Array(
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| Value::String(part.to_owned())).collect(),
        )),
        _ => Ok(Value::String(text.to_owned())),
    }
}
