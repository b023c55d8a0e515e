//! JSON to Python and back, with a limit on depth.

use litink_core::{Error, Result};
use pyo3::{
    IntoPyObjectExt,
    prelude::*,
    types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple},
};
use serde_json::{Map, Number, Value};

/// Deeper nesting is refused: a list that holds itself would overflow the stack. 128 is
/// `serde_json`'s own limit.
const MAX_DEPTH: u32 = 128;

/// A value of the engine, on its way to Python.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Null => Ok(py.None().into_bound(py)),
        Value::Bool(bool) => bool.into_bound_py_any(py),
        Value::Number(number) => number_to_python(py, number),
        Value::String(text) => text.into_bound_py_any(py),
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(to_python(py, item)?)?;
            }
            Ok(list.into_any())
        }
        Value::Object(map) => {
            let dict = PyDict::new(py);
            for (key, value) in map {
                dict.set_item(key, to_python(py, value)?)?;
            }
            Ok(dict.into_any())
        }
    }
}

fn number_to_python<'py>(py: Python<'py>, number: &Number) -> PyResult<Bound<'py, PyAny>> {
    if let Some(number) = number.as_i64() {
        number.into_bound_py_any(py)
    } else if let Some(number) = number.as_u64() {
        number.into_bound_py_any(py)
    } else {
        number.as_f64().into_bound_py_any(py)
    }
}

/// A value of Python: `None`, `bool`, `int`, `float`, `str`, lists, tuples and mappings of them.
///
/// # Errors
/// Code `not_json`, naming the type that is not one of these.
pub(crate) fn from_python(value: &Bound<'_, PyAny>) -> Result<Value> {
    at_depth(value, 0)
}

fn at_depth(value: &Bound<'_, PyAny>, depth: u32) -> Result<Value> {
    if depth > MAX_DEPTH {
        return Err(Error::invalid(
            "not_json",
            "this is nested too deeply, or holds itself",
        ));
    }
    if value.is_none() {
        return Ok(Value::Null);
    }
    // bool before int: in Python it is one.
    if let Ok(bool) = value.cast::<PyBool>() {
        return Ok(bool.is_true().into());
    }
    if value.is_instance_of::<PyInt>() {
        return integer(value);
    }
    if value.is_instance_of::<PyFloat>() {
        return float(value);
    }
    if value.is_instance_of::<PyString>() {
        return value.extract().map(Value::String).map_err(unreadable);
    }
    if let Ok(mapping) = value.cast::<PyMapping>() {
        return object(mapping, depth);
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        return array(value, depth);
    }
    Err(
        Error::invalid("not_json", "only what JSON has can be given here")
            .with_context("type", type_name(value)),
    )
}

fn integer(value: &Bound<'_, PyAny>) -> Result<Value> {
    let signed = value.extract::<i64>().map(Value::from);
    signed
        .or_else(|_| value.extract::<u64>().map(Value::from))
        .map_err(|_| Error::invalid("not_json", "this number does not fit into 64 bits"))
}

fn float(value: &Bound<'_, PyAny>) -> Result<Value> {
    let number = value.extract::<f64>().ok().and_then(Number::from_f64);
    number
        .map(Value::Number)
        .ok_or_else(|| Error::invalid("not_json", "JSON has no NaN and no infinity"))
}

fn array(value: &Bound<'_, PyAny>, depth: u32) -> Result<Value> {
    let items = value.try_iter().map_err(unreadable)?;
    items
        .map(|item| at_depth(&item.map_err(unreadable)?, depth + 1))
        .collect::<Result<Vec<_>>>()
        .map(Value::Array)
}

fn object(mapping: &Bound<'_, PyMapping>, depth: u32) -> Result<Value> {
    let mut map = Map::new();
    for pair in mapping.items().map_err(unreadable)?.iter() {
        let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) =
            pair.extract().map_err(unreadable)?;
        let key: String = key.extract().map_err(|_| {
            Error::invalid("not_json", "keys are strings").with_context("type", type_name(&key))
        })?;
        map.insert(key, at_depth(&value, depth + 1)?);
    }
    Ok(Value::Object(map))
}

fn unreadable(error: PyErr) -> Error {
    Error::invalid("not_json", "a value cannot be read").with_source(super::error::HostError(error))
}

/// The name of a value's type, to say what was wrong with it.
pub(crate) fn type_name(value: &Bound<'_, PyAny>) -> String {
    let name = value.get_type().name();
    name.map_or_else(|_| "?".into(), |name| name.to_string())
}
