//! What Node's addons need of the linker.

fn main() {
    napi_build::setup();
}
