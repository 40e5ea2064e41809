//! body placeholder
use bytes::Bytes;
/// Body
#[derive(Debug, Default)]
pub struct Body(Bytes);
impl Body {
    /// empty
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }
    /// text
    pub async fn text(self) -> Result<String, crate::Error> {
        Ok(String::from_utf8_lossy(&self.0).into_owned())
    }
}
impl From<String> for Body {
    fn from(s: String) -> Self {
        Self(s.into())
    }
}
