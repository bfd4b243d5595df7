//! Helpers shared by several topics of tests: the program, servers, recordings, schemas.

pub(crate) mod capped_runs;
pub(crate) mod hostile_inputs;
pub(crate) mod imports;
pub(crate) mod lists;
pub(crate) mod plain_client;
pub(crate) mod program;
pub(crate) mod recorded;
pub(crate) mod schema;
pub(crate) mod server;
pub(crate) mod verbs;
