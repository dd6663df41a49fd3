//! Who may look.

use reqwest::{Client, Method, RequestBuilder, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::scene::{Scene, client};

const PASSWORD: &str = "correct horse: battery";

/// What the server answers to bytes that no client would send.
async fn raw(scene: &Scene, request: &str) -> String {
    let mut stream = TcpStream::connect(&scene.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

async fn send(request: RequestBuilder) -> Response {
    request.send().await.unwrap()
}

#[tokio::test]
async fn only_who_asks_for_this_machine_by_its_own_name_is_answered() {
    let scene = Scene::open().await;
    let port = scene.address.rsplit_once(':').unwrap().1.to_owned();
    for local in ["localhost", "127.0.0.1:9999", &format!("localhost:{port}"), "[::1]:8081"] {
        assert_eq!(send(scene.client.get(scene.url("/")).header("host", local)).await.status(), 200, "{local}");
    }
    for path in ["/", "/style.css", "/mails/YQ", "/nowhere"] {
        for strange in ["rebound.example.com", &format!("rebound.example.com:{port}"), "localhost.example.com"] {
            let refused = send(scene.client.get(scene.url(path)).header("host", strange)).await;
            assert_eq!(refused.status(), 403, "{path} {strange}");
            assert!(!refused.text().await.unwrap().contains("Closing Bell"));
        }
    }
    for request in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: localhost\r\nHost: rebound.example.com\r\n\r\n",
        "GET http://rebound.example.com/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ] {
        let answer = raw(&scene, request).await;
        assert!(answer.starts_with("HTTP/1.0 403") || answer.starts_with("HTTP/1.1 403"), "{request}: {answer}");
    }
    for name in ["X-Forwarded-For", "Forwarded", "Via", "x-real-ip", "X-Forwarded-Host"] {
        let refused = send(scene.client.get(scene.url("/")).header(name, "203.0.113.7")).await;
        assert_eq!(refused.status(), 403, "{name}");
        assert!(refused.text().await.unwrap().contains("STATUS_PASSWORD"));
    }
}

#[tokio::test]
async fn nothing_can_be_changed() {
    let scene = Scene::open().await;
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        for path in ["/", "/mails/YQ/raw", "/nowhere"] {
            let refused = send(scene.client.request(method.clone(), scene.url(path)).body("x")).await;
            assert_eq!((refused.status().as_u16(), &refused.headers()["allow"]), (405, &"GET, HEAD".parse().unwrap()));
        }
    }
    let head = send(scene.client.head(scene.url("/"))).await;
    assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));
}

#[tokio::test]
async fn every_answer_is_dressed() {
    let scene = Scene::open().await;
    scene.mail("a@b", "a", &["x@example.com"], b"Content-Type: text/html\r\n\r\n<p>a", crate::scene::now()).await;
    let strange = send(scene.client.get(scene.url("/")).header("host", "example.com")).await;
    let mut answers = vec![strange, send(scene.client.post(scene.url("/"))).await];
    for path in ["/", "/script.js", "/icon.svg", "/nowhere", "/mails/YUBi", "/mails/YUBi/html", "/mails/YUBi/raw"] {
        answers.push(scene.get(path).await);
    }
    for answer in answers {
        let header = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap());
        let path = answer.url().path();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("http"), "{path}: {policy}");
        let framed = if path.ends_with("/html") { "frame-ancestors 'self'" } else { "frame-ancestors 'none'" };
        assert!(policy.contains(framed), "{path}: {policy}");
        assert_eq!(policy.contains("sandbox"), path.ends_with("/html") || path.ends_with("/raw"), "{path}: {policy}");
        assert!(!policy.contains("allow-scripts") && !policy.contains("allow-same-origin"), "{path}: {policy}");
        assert!(!policy.contains("script-src 'unsafe") && !policy.contains("unsafe-eval"), "{path}: {policy}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(header(name), value, "{path}");
        }
        assert_eq!(header("x-frame-options"), if path.ends_with("/html") { "SAMEORIGIN" } else { "DENY" }, "{path}");
    }
}

#[tokio::test]
async fn where_a_password_is_set_it_is_asked_for_and_any_name_will_do() {
    let scene = Scene::with_password(Some(PASSWORD)).await;
    let get = |path: &str| scene.client.get(scene.url(path)).header("host", "status.example.com");
    for path in ["/", "/style.css", "/mails/YQ/raw", "/nowhere"] {
        let asked = send(get(path)).await;
        assert_eq!(asked.status(), 401, "{path}");
        assert!(asked.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic realm="));
        assert_eq!(asked.headers()["cache-control"], "no-store");
        assert!(!asked.text().await.unwrap().contains("The line"));
    }
    for user in ["", "owner", "somebody else"] {
        let shown = send(get("/").basic_auth(user, Some(PASSWORD))).await;
        assert_eq!(shown.status(), 200);
        let mark = shown.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(mark.ends_with("; HttpOnly; SameSite=Strict") && !mark.contains(PASSWORD), "{mark}");
    }
    for header in ["Basic", "Basic ", "Basic ???", "Basic Y29ycmVjdA==", "Bearer correct horse: battery", "basicx eDp5"]
    {
        assert_eq!(send(get("/").header("authorization", header)).await.status(), 401, "{header}");
    }
    assert_eq!(send(get("/").basic_auth("owner", Some("correct horse: batter"))).await.status(), 401);
    // Behind a proxy is where it is wanted.
    let proxied = get("/").header("x-forwarded-for", "203.0.113.7").basic_auth("", Some(PASSWORD));
    assert_eq!(send(proxied).await.status(), 200);
    let post = scene.client.post(scene.url("/")).basic_auth("", Some(PASSWORD));
    assert_eq!(send(post).await.status(), 405);
    assert_eq!(send(scene.client.post(scene.url("/"))).await.status(), 401);
}

#[tokio::test]
async fn wrong_passwords_are_slowed_down_and_the_owner_never_waits() {
    let scene = Scene::with_password(Some(PASSWORD)).await;
    let get = |client: &Client, password: &str| client.get(scene.url("/")).basic_auth("owner", Some(password));
    let before = send(get(&scene.client, PASSWORD)).await;
    let mark = before.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    for _ in 0..50 {
        assert_eq!(send(scene.client.get(scene.url("/"))).await.status(), 401, "to be asked is no try");
    }
    let mut wrong = Vec::new();
    for number in 0..15 {
        wrong.push(send(get(&scene.client, &format!("guess {number}"))).await.status().as_u16());
    }
    assert_eq!(wrong, [vec![401; 10], vec![429; 5]].concat());
    // From there even the right one has to wait, or the wait would be none.
    let late = send(get(&scene.client, PASSWORD)).await;
    assert_eq!(late.status(), 429);
    let wait: u64 = late.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=7).contains(&wait), "{wait}");
    // The owner's browser, and the owner elsewhere, do not.
    assert_eq!(send(get(&scene.client, PASSWORD).header("cookie", format!("a=b; {mark}"))).await.status(), 200);
    let elsewhere = client(Client::builder().local_address(Some([127, 0, 0, 2].into())));
    assert_eq!(send(get(&elsewhere, PASSWORD)).await.status(), 200);
    // The mark opens nothing by itself, and an invented one is none.
    assert_eq!(send(scene.client.get(scene.url("/")).header("cookie", &mark)).await.status(), 401);
    let invented = format!("{}0", &mark[..mark.len() - 1]);
    let invented = if invented == mark { format!("{}1", &mark[..mark.len() - 1]) } else { invented };
    assert_eq!(send(get(&scene.client, PASSWORD).header("cookie", invented)).await.status(), 429);
}
