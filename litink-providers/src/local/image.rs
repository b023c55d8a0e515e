use litink_core::{Error, Result, provider::{Generated, ImageRequest}};
pub(super) fn draw(_r: &ImageRequest, _v: u32) -> Result<Generated> { Err(Error::internal("x")) }
