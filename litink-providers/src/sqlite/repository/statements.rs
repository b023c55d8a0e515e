//! The statements of each table, built once from its definition.

use std::sync::LazyLock;

use litink_core::schema::{Column, TABLES, Table, TableDef};

/// What is said to SQLite about one table.
#[derive(Debug)]
pub(super) struct Statements {
    /// All columns.
    pub(super) all: Vec<&'static Column>,
    /// All but the heavy ones.
    pub(super) light: Vec<&'static Column>,
    /// Parameters: id, owner, version, created_at, updated_at, then its own columns in order.
    pub(super) insert: String,
    /// Parameter: id. Columns: all.
    pub(super) get: String,
    /// Parameter: id. Columns: version, owner, state or null.
    pub(super) look: String,
    /// Parameter: id.
    pub(super) delete: String,
}

/// The statements of a table.
pub(super) fn of(table: Table) -> &'static Statements {
    static ALL: LazyLock<Vec<Statements>> =
        LazyLock::new(|| TABLES.iter().map(Statements::new).collect());
    // One for each table, in the order of the enum, which the schema's own test holds.
    &ALL[table as usize]
}

impl Statements {
    fn new(def: &TableDef) -> Self {
        let all: Vec<&Column> = def.columns().collect();
        let light = all.iter().copied().filter(|column| !column.heavy).collect();
        let name = def.name;
        let state = def.column("state").map_or("NULL", |column| column.name);
        Self {
            insert: format!(
                "INSERT INTO {name} ({}) VALUES ({})",
                names(&all),
                vec!["?"; all.len()].join(", ")
            ),
            get: format!("SELECT {} FROM {name} WHERE id = ?", names(&all)),
            look: format!("SELECT version, owner, {state} FROM {name} WHERE id = ?"),
            delete: format!("DELETE FROM {name} WHERE id = ?"),
            all,
            light,
        }
    }
}

/// Names as a list. They come from the schema, never from a caller, and none needs quoting.
pub(super) fn names(columns: &[&Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    names.join(", ")
}

/// Parameters: the columns' values, updated_at, id.
pub(super) fn update(def: &TableDef, columns: &[&Column]) -> String {
    let set: String = columns
        .iter()
        .map(|column| format!("{} = ?, ", column.name))
        .collect();
    format!(
        "UPDATE {} SET {set}version = version + 1, updated_at = ? WHERE id = ?",
        def.name
    )
}
