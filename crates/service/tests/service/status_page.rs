//! The status page: what a browser shows, and what everybody else gets.

use serde_json::json;

use crate::browser::Browser;
use crate::process::{Service, now_ms};

const HOSTILE: &str = "<img src=x onerror=\"document.title='owned'\">&amp;</script>";
const HOSTILE_CHAIN: &str = "<b>chain</b>";
const TOKEN: &str = "authorization: Bearer open sesame";

fn send(service: &Service, method: &str, path: &str, body: &serde_json::Value) -> u16 {
    let headers = ["content-type: application/json", TOKEN];
    service
        .request(method, path, &headers, &body.to_string())
        .status
}

/// Updates of one pair are followed by reads of one with a hostile name, until that is known.
fn teach(service: &Service) {
    let mut round = 0_u64;
    service.wait_for("an association", |service| {
        let ts_ms = now_ms();
        let stream = match round % 4 {
            0 => json!([
                {"ts_ms": ts_ms, "chain": HOSTILE_CHAIN, "pair": "cause"},
                {"ts_ms": ts_ms, "chain": HOSTILE_CHAIN, "pair": HOSTILE, "op": "read"},
            ]),
            _ => json!([{"ts_ms": ts_ms, "chain": "eth", "pair": format!("x{}", round % 7), "op": "read"}]),
        };
        round += 1;
        assert_eq!(send(service, "POST", "/v1/updates", &stream), 202);
        let all = service.get("/v1/associations").json();
        all["associations"].as_array().is_some_and(|list| {
            list.iter().any(|one| one["to"]["pair"] == HOSTILE && one["score"].as_f64() > Some(0.3))
        })
    });
}

#[test]
fn a_browser_shows_the_real_figures_takes_no_name_for_markup_and_switches_the_mode() {
    let service = Service::start(&["http.token=open sesame", "tracking.window=20ms"]);
    let Some(mut browser) = Browser::start() else {
        return;
    };
    teach(&service);
    let value = json!({ "value": "1" });
    assert_eq!(send(&service, "PUT", "/v1/pairs/eth/known", &value), 204);
    // One look-up in 64 of a thread is timed.
    for _ in 0..300 {
        assert_eq!(service.get("/v1/pairs/eth/known").status, 200);
    }
    for n in 0..100 {
        assert_eq!(
            service.get(&format!("/v1/pairs/eth/unknown{n}")).status,
            404
        );
    }
    service.wait_for("two samples of the history", |service| {
        let history = service.get("/v1/history").json();
        let lookups = history["lookups"].as_array().expect("a column").clone();
        lookups.len() >= 2 && lookups.last() == Some(&json!(400))
    });

    browser.open(&format!("http://{}/", service.addr));
    browser.wait_until("document.documentElement.dataset.state === 'live'");
    let text = |browser: &mut Browser, id: &str| {
        let shown = browser.evaluate(&format!("document.getElementById('{id}').textContent"));
        shown.as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(
        text(&mut browser, "hit"),
        "75.0 %",
        "300 of 400 look-ups were hits"
    );
    assert_eq!(text(&mut browser, "ready"), "ready");
    assert_eq!(text(&mut browser, "strategy"), "adaptive");
    assert!(
        text(&mut browser, "lookup").ends_with('s'),
        "a time is shown"
    );
    assert!(text(&mut browser, "l1").contains("L1 holds 1 entries"));
    browser.wait_until("document.querySelectorAll('#chart path').length === 3");

    browser.wait_until("document.querySelectorAll('#graph circle').length >= 2");
    let names = browser.evaluate("document.getElementById('graph').textContent");
    let names = names.as_str().expect("text");
    assert!(
        names.contains(HOSTILE) && names.contains(HOSTILE_CHAIN),
        "{names}"
    );
    let made_of_names = "document.querySelectorAll('img, b b, main b:not([class]):empty').length";
    assert_eq!(browser.evaluate(made_of_names), json!(0));
    assert_eq!(
        browser.evaluate("document.title"),
        "Forewarm",
        "a name was run"
    );

    let switch = "document.querySelector('input[value=shadow]').click(); \
                  document.querySelector('#switch button').click()";
    browser.evaluate(switch);
    browser.wait_until("!document.getElementById('token-field').hidden");
    assert_eq!(
        service.get("/v1/mode").json()["mode"],
        "on",
        "without the token nothing changes"
    );
    browser.evaluate(&format!(
        "document.getElementById('token').value = 'open sesame'; {switch}"
    ));
    browser.wait_until("document.getElementById('mode').textContent === 'shadow'");
    assert_eq!(service.get("/v1/mode").json()["mode"], "shadow");
    browser.evaluate(
        "document.getElementById('chain').value = 'bsc'; \
         document.getElementById('percent').value = '101'; \
         document.getElementById('switch').noValidate = true; \
         document.querySelector('#switch button').click()",
    );
    browser.wait_until("document.getElementById('said').textContent.includes('101')");
}

#[test]
fn the_page_says_so_when_the_service_is_gone() {
    let mut service = Service::start(&[]);
    let Some(mut browser) = Browser::start() else {
        return;
    };
    browser.open(&format!("http://{}/", service.addr));
    browser.wait_until("document.documentElement.dataset.state === 'live'");
    assert_eq!(service.terminate(), Some(0));
    browser.wait_until("document.documentElement.dataset.state === 'lost'");
    let trouble = browser.evaluate("document.getElementById('trouble').textContent");
    assert!(
        trouble
            .as_str()
            .is_some_and(|text| text.contains("No answer since")),
        "{trouble}"
    );
}

#[test]
fn who_does_not_ask_for_html_gets_text_and_the_page_may_run_its_own_script_alone() {
    let service = Service::start(&[]);
    let plain = service.get("/");
    assert!(
        plain
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/plain"))
    );
    assert!(plain.text().contains("\"l1_hit_ratio\"") && !plain.text().contains("<html"));
    let page = service.request("GET", "/", &["accept: text/html,*/*;q=0.8"], "");
    assert!(
        page.header("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"))
    );
    let policy = page
        .header("content-security-policy")
        .expect("a policy")
        .to_owned();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'nonce-"),
        "{policy}"
    );
    let nonce = policy
        .split('\'')
        .find_map(|part| part.strip_prefix("nonce-"));
    let nonce = nonce.expect("it is named");
    assert!(!nonce.is_empty() && page.text().contains(&format!("<script nonce=\"{nonce}\">")));
    let again = service.request("GET", "/", &["accept: text/html"], "");
    assert_ne!(
        again.header("content-security-policy"),
        Some(&*policy),
        "the nonce is used once"
    );
}

#[test]
fn a_limit_beyond_the_bound_is_refused_by_its_name() {
    let service = Service::start(&[]);
    let detail = service.get("/v1/associations?limit=1001").problem(400);
    assert!(
        detail.contains("1001") && detail.contains("1000"),
        "{detail}"
    );
    service.get("/v1/history?since=x").problem(400);
    let none = service.get("/v1/associations?limit=0").json();
    assert_eq!(none["associations"], json!([]));
}
