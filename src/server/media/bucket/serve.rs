//! `GET` and `HEAD` of an object, with one range, as `RFC 9110` has it.

use std::io;
use std::ops::Range;
use std::time::SystemTime;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};

use super::Bucket;

impl Bucket {
    pub(in super::super) async fn serve(
        &self,
        file_name: &str,
        request: Request<Body>,
    ) -> io::Result<Response> {
        let path = self.path(file_name)?;
        let object = match self.store.head(&path).await {
            Err(object_store::Error::NotFound { .. }) => {
                return Ok(StatusCode::NOT_FOUND.into_response());
            }
            found => found?,
        };
        let wanted = Wanted::of(request.headers(), &object);
        let mut response = wanted.head(&object).into_response();
        let range = match wanted {
            Wanted::All => None,
            Wanted::Part(range) => Some(GetRange::Bounded(range)),
            Wanted::Nothing | Wanted::Beyond => return Ok(response),
        };
        if request.method() != Method::HEAD && object.size > 0 {
            // Of the very object that the head speaks of, should another take its place just now.
            let options =
                GetOptions { range, if_match: object.e_tag.clone(), ..Default::default() };
            let bytes = self.store.get_opts(&path, options).await?.into_stream();
            *response.body_mut() = Body::from_stream(bytes);
        }
        Ok(response)
    }
}

/// What a request wants of an object.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<u64>),
    /// It has the object already.
    Nothing,
    /// A range that the object does not reach.
    Beyond,
}

impl Wanted {
    fn of(headers: &HeaderMap, object: &ObjectMeta) -> Self {
        let said = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let same = |validator: &str| Some(validator) == object.e_tag.as_deref();
        let held = said(header::IF_NONE_MATCH);
        if held
            .is_some_and(|tags| tags.trim() == "*" || tags.split(',').any(|tag| same(tag.trim())))
        {
            return Self::Nothing;
        }
        // Of another state of the object, the rest is of no use.
        let stale = said(header::IF_RANGE).is_some_and(|validator| !same(validator.trim()));
        match said(header::RANGE).filter(|_| !stale).map(http_range_header::parse_range_header) {
            // What is no range is to be ignored.
            None | Some(Err(_)) => Self::All,
            Some(Ok(ranges)) => match ranges.validate(object.size).as_deref() {
                Ok([range]) => Self::Part(*range.start()..range.end() + 1),
                Ok(_) => Self::All,
                Err(_) => Self::Beyond,
            },
        }
    }

    fn head(&self, object: &ObjectMeta) -> impl IntoResponse + use<> {
        let mut headers = HeaderMap::new();
        let mut say = |name, value: String| {
            if let Ok(value) = value.try_into() {
                headers.insert(name, value);
            }
        };
        if let Some(tag) = &object.e_tag {
            say(header::ETAG, tag.clone());
        }
        let size = object.size;
        let modified = httpdate::fmt_http_date(SystemTime::from(object.last_modified));
        say(header::LAST_MODIFIED, modified);
        say(header::ACCEPT_RANGES, "bytes".into());
        let (status, length) = match self {
            Self::All => (StatusCode::OK, Some(size)),
            Self::Part(range) => {
                let (first, last) = (range.start, range.end - 1);
                say(header::CONTENT_RANGE, format!("bytes {first}-{last}/{size}"));
                (StatusCode::PARTIAL_CONTENT, Some(range.end - range.start))
            }
            Self::Nothing => (StatusCode::NOT_MODIFIED, None),
            Self::Beyond => {
                say(header::CONTENT_RANGE, format!("bytes */{size}"));
                (StatusCode::RANGE_NOT_SATISFIABLE, None)
            }
        };
        if let Some(length) = length {
            say(header::CONTENT_TYPE, "audio/mpeg".into());
            say(header::CONTENT_LENGTH, length.to_string());
        }
        (status, headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_given_of_the_object_that_is_meant() {
        let object = ObjectMeta {
            location: "x".into(),
            last_modified: SystemTime::UNIX_EPOCH.into(),
            size: 10,
            e_tag: Some("\"a\"".into()),
            version: None,
        };
        for (said, wanted) in [
            (&[][..], Wanted::All),
            (&[("range", "bytes=2-4")], Wanted::Part(2..5)),
            (&[("range", "bytes=7-")], Wanted::Part(7..10)),
            (&[("range", "bytes=-3")], Wanted::Part(7..10)),
            (&[("range", "bytes=0-0,5-6")], Wanted::All),
            (&[("range", "bytes=10-")], Wanted::Beyond),
            (&[("range", "lines=1-2")], Wanted::All),
            (&[("range", "bytes=2-4"), ("if-range", "\"a\"")], Wanted::Part(2..5)),
            (&[("range", "bytes=2-4"), ("if-range", "\"b\"")], Wanted::All),
            (&[("if-none-match", "\"b\", \"a\"")], Wanted::Nothing),
            (&[("if-none-match", "\"b\"")], Wanted::All),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in said {
                headers.insert(*name, value.parse().unwrap());
            }
            assert_eq!(Wanted::of(&headers, &object), wanted, "{said:?}");
        }
    }
}
