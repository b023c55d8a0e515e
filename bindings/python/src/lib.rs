//! The native half of litink's Python package: converts, calls the engine, converts back.
//!
//! Nothing happens at import: the runtime begins with the first call. User code never runs on the
//! runtime's workers, and the interpreter is never held while something is awaited.

mod bridge;
mod context;
mod convert;
mod engine;
mod error;
mod open;
mod provider;
mod reply;
mod runtime;
mod save;
mod watch;

#[pyo3::pymodule(gil_used = false)]
mod _litink {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::context::PyCallContext;
    #[pymodule_export]
    use crate::engine::NativeEngine;
    #[pymodule_export]
    use crate::watch::NativeWatch;

    /// The names of all kinds of errors.
    #[pyfunction]
    fn error_kinds() -> Vec<&'static str> {
        litink_core::ErrorKind::ALL
            .iter()
            .map(|kind| kind.as_str())
            .collect()
    }

    /// Stops every worker and ends the runtime. Called at exit.
    #[pyfunction]
    fn shut_down(py: Python<'_>) {
        crate::runtime::shut_down(py);
    }
}
