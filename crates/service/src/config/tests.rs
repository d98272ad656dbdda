use super::*;

fn sources(set: &[&str]) -> Sources {
    Sources {
        set: set.iter().map(|text| (*text).to_owned()).collect(),
        ..Sources::default()
    }
}

fn config(set: &[&str]) -> Config {
    load(&sources(set)).expect("accepted").config
}

fn refusal(set: &[&str]) -> String {
    load(&sources(set)).expect_err("refused").to_string()
}

#[test]
fn the_default_and_every_preset_load_and_set_the_cap_to_the_strategys_maximum() {
    assert_eq!(
        load(&Sources::default()).expect("defaults").config,
        Config::default()
    );
    for (name, _, _) in PRESETS {
        let preset = Sources {
            preset: Some(name.to_owned()),
            ..Sources::default()
        };
        let config = load(&preset).expect(name).config;
        let (_, maximum) = config.warming.strategy_maximum();
        assert_eq!(config.warming.max_pairs_per_warm, maximum, "{name}");
    }
}

#[test]
fn a_later_layer_wins_and_the_origin_of_each_value_is_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("forewarm.toml");
    let text =
        "[l1]\ncapacity_bytes = \"1MiB\"\n[warming]\nmode = \"off\"\n[tracking]\nmax_pairs = 7\n";
    std::fs::write(&file, text).expect("written");
    let sources = Sources {
        preset: Some("shadow".to_owned()),
        file: Some(file.clone()),
        env: vec![
            ("FOREWARM_TRACKING__MAX_PAIRS".to_owned(), "8".to_owned()),
            ("FOREWARM_TRACKING__MAX_PARTNERS".to_owned(), "9".to_owned()),
            ("FOREWARM_TRACES".to_owned(), "/ignored".to_owned()),
            ("FOREWARM_SERVICE_HOST".to_owned(), "10.0.0.1".to_owned()),
        ],
        set: vec!["tracking.max_partners=10".to_owned()],
    };
    let effective = load(&sources).expect("accepted");
    let config = &effective.config;
    assert_eq!(config.l1.capacity_bytes, Size::mib(1));
    assert_eq!(config.warming.mode, ModeName::Off);
    assert_eq!(
        (config.tracking.max_pairs, config.tracking.max_partners),
        (8, 10)
    );
    assert_eq!(config.warming.topn.top_n, 3);
    for (key, origin) in [
        ("l1.capacity_bytes", file.to_str().expect("UTF-8")),
        ("tracking.max_pairs", "env FOREWARM_TRACKING__MAX_PAIRS"),
        ("tracking.max_partners", "--set"),
        ("warming.topn.top_n", "preset shadow"),
        ("l1.default_ttl", "default"),
    ] {
        assert_eq!(effective.origin(key), origin, "{key}");
    }
}

#[test]
fn values_given_as_text_take_the_type_of_their_setting() {
    let given = config(&[
        "http.token=0123",
        "l1.default_ttl=90s",
        "l1.capacity_bytes=1048576",
        "warming.budget.extra_l2_reads=unlimited",
        "warming.budget.l1_share=1",
        "keys.prefixes=[\"a:\", \"b:\"]",
        "rollout.chains.polygon.mode=shadow",
        "rollout.chains.polygon.percent=10",
        "feeds=[{kind = \"redis-stream\", stream = \"s\"}]",
    ]);
    assert_eq!(given.http.token.as_ref().map(Secret::reveal), Some("0123"));
    assert_eq!(given.l1.default_ttl, Span::secs(90));
    assert_eq!(given.l1.capacity_bytes, Size::mib(1));
    assert_eq!(given.warming.budget.extra_l2_reads, ExtraReads::Unlimited);
    assert_eq!(given.warming.budget.l1_share, 1.0);
    assert_eq!(given.keys.prefixes, ["a:", "b:"]);
    assert_eq!(given.rollout.chains["polygon"].percent, 10);
    assert_eq!(given.feeds[0].stream, "s");
}

#[test]
fn an_unknown_setting_is_refused_with_its_source_and_the_nearest_name() {
    for (set, key, near) in [
        (
            "warming.startegy=topn",
            "warming.startegy",
            "`warming.strategy`",
        ),
        ("l1.max_pairs=1", "l1.max_pairs", "`tracking.max_pairs`"),
        ("warmign.mode=on", "warmign", "`warming`"),
        ("feeds=[{knd = \"http\"}]", "feeds[0].knd", "`feeds[].kind`"),
        (
            "rollout.chains.eth.mod=on",
            "rollout.chains.eth.mod",
            "`rollout.chains.*.mode`",
        ),
    ] {
        let message = refusal(&[set]);
        assert!(message.contains(&format!("`{key}` in --set")), "{message}");
        assert!(message.contains(near), "{message}");
    }
    let env = Sources {
        env: vec![("FOREWARM_L1__NOPE_AT_ALL".to_owned(), "1".to_owned())],
        ..Sources::default()
    };
    let message = load(&env).expect_err("refused").to_string();
    assert_eq!(
        message,
        "unknown setting `l1.nope_at_all` in env FOREWARM_L1__NOPE_AT_ALL"
    );
}

#[test]
fn a_wrong_value_is_refused_with_key_value_source_and_range() {
    for (set, parts) in [
        (
            "l1.capacity_bytes=12",
            ["`l1.capacity_bytes` in --set", "12B", "1KiB to 1TiB"],
        ),
        (
            "l1.default_ttl=soon",
            ["`l1.default_ttl` in --set", "soon", "0s to 365d"],
        ),
        (
            "warming.budget.l1_share=1.5",
            ["`warming.budget.l1_share`", "1.5", "0.0 to 1.0"],
        ),
        (
            "warming.budget.l1_share=nan",
            ["`warming.budget.l1_share`", "NaN", "0.0 to 1.0"],
        ),
        (
            "warming.mode=maybe",
            ["`warming.mode`", "maybe", "`off`, `shadow`, `on`"],
        ),
        (
            "warming.budget.extra_l2_reads=-1",
            ["extra_l2_reads", "-1", "`unlimited`"],
        ),
        (
            "tracking.max_pairs=many",
            ["`tracking.max_pairs`", "many", "1 to 10000000"],
        ),
        ("http.addr=nowhere", ["`http.addr`", "nowhere", "host:port"]),
        (
            "keys.template=price",
            ["`keys.template`", "price", "{address}"],
        ),
        (
            "rollout.percent=101",
            ["`rollout.percent`", "101", "0 to 100"],
        ),
        (
            "l2.redis.url=http://x",
            ["`l2.redis.url`", "http://x", "redis://"],
        ),
        (
            "feeds=[{kind = \"file\"}]",
            ["`feeds[0].path`", "missing", "trace"],
        ),
    ] {
        let message = refusal(&[set]);
        for part in parts {
            assert!(message.contains(part), "{set}: {message:?} lacks {part:?}");
        }
    }
    assert!(refusal(&["warming.mode"]).contains("key.path=value"));
}

#[test]
fn limits_that_disagree_are_refused_with_both_names() {
    for (set, larger, smaller) in [
        (
            "tracking.max_partners=15",
            "tracking.max_partners` = 15 (--set)",
            "warming.max_pairs_per_warm` = 16 (default)",
        ),
        (
            "warming.adaptive.max_pairs=17",
            "warming.max_pairs_per_warm` = 16 (default)",
            "warming.adaptive.max_pairs` = 17 (--set)",
        ),
    ] {
        let message = refusal(&[set]);
        assert!(
            message.contains(larger) && message.contains(smaller),
            "{message}"
        );
    }
    // What another strategy would do is nobody's business.
    config(&["warming.topn.top_n=100"]);
}

#[test]
fn an_address_that_others_reach_needs_a_token_or_an_explicit_permission() {
    let open = "http.addr=0.0.0.0:9464";
    let message = refusal(&[open]);
    assert!(
        message.contains("http.token") && message.contains("0.0.0.0:9464"),
        "{message}"
    );
    config(&[open, "http.token=abc"]);
    config(&[open, "http.allow_unauthenticated=true"]);
    config(&["http.addr=[::1]:1"]);
    assert!(refusal(&[open, "http.token="]).contains("`http.token`"));
}

#[test]
fn what_is_shown_is_a_configuration_with_origins_and_without_secrets() {
    let sources = sources(&[
        "http.token=hush",
        "l2.redis.url=redis://u:hush@h:1",
        "rollout.chains.polygon.percent=10",
        "feeds=[{kind = \"http\"}, {kind = \"redis-stream\", fields = {pair = \"symbol\"}}]",
    ]);
    let shown = show(&load(&sources).expect("accepted"));
    assert!(!shown.contains("hush"), "{shown}");
    assert!(shown.contains("token = \"***\" # --set"), "{shown}");
    assert!(
        shown.contains("capacity_bytes = \"64MiB\" # default"),
        "{shown}"
    );
    assert!(shown.contains("[rollout.chains.polygon]\n"), "{shown}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shown.toml");
    std::fs::write(&file, &shown).expect("written");
    let again = Sources {
        file: Some(file),
        ..Sources::default()
    };
    let again = load(&again).expect("what is shown can be read").config;
    assert_eq!(again.rollout.chains["polygon"].percent, 10);
    assert_eq!(again.feeds.len(), 2);
    assert_eq!(again.feeds[0].fields.pair, "pair");
    assert_eq!(again.feeds[1].fields.pair, "symbol");
}

#[test]
fn secrets_may_live_in_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "  abc\n").expect("written");
    let set = format!("http.token_file={}", file.display());
    assert_eq!(
        config(&[&set]).http.token.as_ref().map(Secret::reveal),
        Some("abc")
    );
    let message = refusal(&["http.token_file=/nonexistent/token"]);
    assert!(message.contains("`http.token_file`") && message.contains("/nonexistent/token"));
}

#[test]
fn the_reference_lists_every_setting_with_its_default() {
    let reference = reference();
    for line in [
        "## `l2.redis`",
        "| `max_pairs_per_warm` | `16` | 1 to 256 |",
        "| `mode` | `on` | `off`, `shadow`, `on` |",
        "## `feeds[]`",
        "## `rollout.chains.*`",
    ] {
        assert!(reference.contains(line), "{line} is missing");
    }
}

#[test]
fn a_bound_on_staleness_that_cannot_hold_is_refused_with_the_reason() {
    let redis = "l2.backend=redis";
    let slow_ping = "invalidation.ping_interval=3s";
    let text = refusal(&[redis, slow_ping]);
    for part in ["invalidation.max_staleness", "5s", "ping_interval", "6s"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    let text = refusal(&[redis, "l2.demand_timeout=4s"]);
    assert!(text.contains("l2.demand_timeout"), "{text}");
    // Where no link is wanted the bound means nothing.
    config(&[slow_ping]);
    config(&[redis, slow_ping, "invalidation.mode=ttl"]);
}

#[test]
fn who_plays_in_shadow_is_a_word_or_a_list_of_strategies() {
    let chosen = |text: &str| {
        config(&[&format!("shadow.strategies={text}")])
            .shadow
            .strategies
    };
    let two = Contenders::These(vec![Strategy::TopN, Strategy::Adaptive]);
    assert_eq!(config(&[]).shadow.strategies, Contenders::Auto);
    assert_eq!(chosen("auto"), Contenders::Auto);
    assert_eq!(chosen("all"), Contenders::All);
    assert_eq!(chosen("[]"), Contenders::These(Vec::new()));
    assert_eq!(chosen(r#"["topn", "adaptive", "topn"]"#), two);
    assert_eq!(chosen("topn, adaptive"), two);
    assert_eq!(Contenders::Auto.strategies(), Contenders::All.strategies());
    assert_eq!(Contenders::All.strategies().len(), Strategy::NAMES.len());
    for wrong in ["best", r#"["topn", "best"]"#] {
        let said = refusal(&[&format!("shadow.strategies={wrong}")]);
        assert!(
            said.contains("shadow.strategies") && said.contains("best"),
            "{said}"
        );
        assert!(said.contains("list of"), "{said}");
    }
}
