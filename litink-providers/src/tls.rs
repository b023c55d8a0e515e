use std::sync::Once;

/// Installs ring as the provider of rustls for this process, once, unless the application has
/// installed one. Whatever builds a client calls it first: without a provider, `reqwest` panics.
pub fn init_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that there is one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
