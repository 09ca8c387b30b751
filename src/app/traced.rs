//! Which spans tell of the servers that a check waits for?

use std::sync::Arc;

use async_trait::async_trait;

use crate::deadline::Deadline;
use crate::directory::{DirectoryError, Found, UserDirectory, UserQuery};
use crate::introspection::{Introspection, IntrospectionError, Introspector};
use crate::telemetry::trace::{self, SpanKind};
use crate::token::{BearerToken, TokenState};

/// Who is asked, each question within a span of its own, answers from a cache too.
pub(super) struct Traced<T>(pub(super) Arc<T>);

#[async_trait]
impl<I: Introspector> Introspector for Traced<I> {
    async fn introspect(&self, token: &BearerToken, deadline: Deadline) -> Result<Introspection, IntrospectionError> {
        let span = trace::span("introspection", SpanKind::Internal);
        let answer = trace::within(span.as_ref(), self.0.introspect(token, deadline)).await;
        if let Some(span) = span {
            match &answer {
                Ok(answer) => {
                    span.set("keyward.introspection.source", answer.source.as_str());
                    span.set("keyward.introspection.active", matches!(answer.state, TokenState::Active(_)));
                }
                Err(error) => span.fail(error.as_str()),
            }
        }
        answer
    }
}

#[async_trait]
impl<D: UserDirectory> UserDirectory for Traced<D> {
    async fn find(&self, query: &UserQuery, deadline: Deadline) -> Result<Found, DirectoryError> {
        let span = trace::span("directory", SpanKind::Internal);
        let answer = trace::within(span.as_ref(), self.0.find(query, deadline)).await;
        if let Some(span) = span {
            span.set("keyward.directory.component", query.component.to_string());
            match &answer {
                Ok(found) => span.set("keyward.directory.found", found.as_str()),
                Err(error) => span.fail(error.as_str()),
            }
        }
        answer
    }
}
