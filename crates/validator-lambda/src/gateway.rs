//! API Gateway's events, as the request that HubSpot made.
//!
//! `lambda_http`'s own request is built around the `Host` and `X-Forwarded-Proto` headers, which the caller writes, and
//! keeps only one of a doubled header. So the event is read as it is.

use lambda_http::Body;
use lambda_http::http::HeaderMap;
use lambda_http::request::LambdaRequest;

/// One request as the gateway received it.
pub(crate) struct Call {
    pub(crate) method: String,
    /// The URL by the gateway's own account, without the query: its `requestContext`, which no caller can forge.
    pub(crate) url: Option<String>,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

impl Call {
    /// Reads an event of a REST API (payload 1.0) or an HTTP API (payload 2.0); other events are none of ours.
    pub(crate) fn read(event: LambdaRequest) -> Option<Self> {
        let (method, domain, path, query, headers, body, base64) = match event {
            LambdaRequest::ApiGatewayV1(event) => {
                // A REST API hands over its query taken apart and without its order: two parameters or more are
                // only exact in `WEBHOOK_URLS`.
                let several = !event.multi_value_query_string_parameters.is_empty();
                let query =
                    if several { event.multi_value_query_string_parameters } else { event.query_string_parameters };
                let several = !event.multi_value_headers.is_empty();
                let headers = if several { event.multi_value_headers } else { event.headers };
                let (query, context) = (Some(query.to_query_string()), event.request_context);
                let (body, base64) = (event.body, event.is_base64_encoded);
                (event.http_method, context.domain_name, context.path, query, headers, body, base64)
            }
            LambdaRequest::ApiGatewayV2(event) => {
                let context = event.request_context;
                let (body, base64) = (event.body, event.is_base64_encoded);
                let path = context.http.path.or(event.raw_path);
                (context.http.method, context.domain_name, path, event.raw_query_string, event.headers, body, base64)
            }
            _ => return None,
        };
        Some(Self {
            method: method.to_string(),
            url: domain.zip(path).map(|(domain, path)| format!("https://{domain}{path}")),
            query: query.filter(|query| !query.is_empty()),
            headers,
            body: body.map_or(Body::Empty, |body| Body::from_maybe_encoded(base64, &body)),
        })
    }
}
