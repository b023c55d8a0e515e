//! The suite of the contract, in each shape that text and vectors come in.

use std::sync::Arc;

use crate::server::Server;

mod openai {
    use super::*;

    litink_core::provider_conformance!(Arc::new(Server::start().await.provider("openai")));
}

mod generic {
    use super::*;

    litink_core::provider_conformance!(Arc::new(Server::start().await.provider("generic")));
}

mod ollama {
    use super::*;

    litink_core::provider_conformance!(Arc::new(Server::start().await.provider("ollama")));
}

mod openrouter {
    use super::*;

    litink_core::provider_conformance!(Arc::new(Server::start().await.provider("openrouter")));
}
