use bytes::{Bytes, BytesMut};

/// A form (RFC 7578), small enough to be held.
pub(crate) struct Form {
    boundary: String,
    body: BytesMut,
}

impl Form {
    pub(crate) fn new() -> Self {
        Self {
            // 122 random bits: no file holds them.
            boundary: format!("litink-{}", uuid::Uuid::new_v4().simple()),
            body: BytesMut::new(),
        }
    }

    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        self.head(&format!("name=\"{name}\""));
        self.body.extend_from_slice(b"\r\n");
        self.end(value.as_bytes());
        self
    }

    pub(crate) fn file(mut self, name: &str, file: &str, media_type: &str, bytes: &[u8]) -> Self {
        self.head(&format!("name=\"{name}\"; filename=\"{file}\""));
        let line = format!("Content-Type: {media_type}\r\n\r\n");
        self.body.extend_from_slice(line.as_bytes());
        self.end(bytes);
        self
    }

    fn head(&mut self, disposition: &str) {
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; {disposition}\r\n",
            self.boundary
        );
        self.body.extend_from_slice(head.as_bytes());
    }

    fn end(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
        self.body.extend_from_slice(b"\r\n");
    }

    /// Its content type and its bytes.
    pub(crate) fn finish(mut self) -> (String, Bytes) {
        let last = format!("--{}--\r\n", self.boundary);
        self.body.extend_from_slice(last.as_bytes());
        let content_type = format!("multipart/form-data; boundary={}", self.boundary);
        (content_type, self.body.freeze())
    }
}
