use super::*;

#[test]
fn a_token_becomes_a_number_in_an_expression_and_a_figure_with_its_unit_in_a_text() {
    let thresholds = Thresholds::default();
    let expression = thresholds
        .in_expression("x > @l1_hit_ratio.critical and y")
        .expect("it names a level");
    assert_eq!(expression, "x > 0.85 and y");
    let text = thresholds
        .in_text("below @l1_hit_ratio.critical, @tracking_p95_us.target.")
        .expect("both name levels");
    assert_eq!(text, "below 85 %, 50 µs.");
}

#[test]
fn a_token_that_names_nothing_is_an_error_that_names_it() {
    let thresholds = Thresholds::default();
    for (template, named) in [
        ("@nothing.critical", "nothing"),
        ("@l1_hit_ratio.worst", "worst"),
        ("@l1_hit_ratio.warning", "Warning"),
        ("@l1_hit_ratio", "l1_hit_ratio"),
    ] {
        let error = thresholds.in_expression(template).expect_err(template);
        assert!(format!("{error:#}").contains(named), "{error:#}");
    }
}

#[test]
fn a_site_overrides_levels_and_addresses_and_nothing_else() {
    let file = "[l1_hit_ratio]\ncritical = 0.8\n[site]\ngrafana_url = \"https://g.example\"\n";
    let site = Thresholds::from_toml(file).expect("it is sound");
    let figure = |level| {
        site.figure("l1_hit_ratio", level)
            .expect("it has the level")
    };
    assert_eq!(figure(Level::Critical), 0.8);
    assert_eq!(figure(Level::Target), 0.92);
    assert_eq!(site.site.grafana_url, "https://g.example");
    assert_eq!(site.site.runbook_base_url, Site::default().runbook_base_url);
}

#[test]
fn a_wrong_override_is_refused_with_what_is_wrong() {
    for (file, named) in [
        ("[l1_hit]\ncritical = 0.8\n", "l1_hit_ratio"),
        ("[l1_hit_ratio]\nwarning = 0.8\n", "target, info, critical"),
        ("[l1_hit_ratio]\ncritical = 0.95\n", "good side"),
        ("[warming_p95_ms]\nwarning = 25\n", "good side"),
        ("[l1_hit_ratio]\ncritical = -1\n", "-1"),
        ("[l1_hit_ratio]\ncritical = nan\n", "NaN"),
        ("[site]\ngrafana_url = \"g.example\"\n", "g.example"),
        ("[site]\nrunbooks = \"https://x\"\n", "runbooks"),
    ] {
        let error = Thresholds::from_toml(file).expect_err(file);
        assert!(format!("{error:#}").contains(named), "{file}: {error:#}");
    }
}

#[test]
fn every_row_of_the_table_is_named_once_explained_and_in_order() {
    for (index, row) in TABLE.iter().enumerate() {
        let earlier = &TABLE[..index];
        assert!(earlier.iter().all(|other| other.id != row.id), "{}", row.id);
        assert!(!row.what.is_empty() && !row.why.is_empty(), "{}", row.id);
        for (name, figure) in row.levels() {
            let same = format!("[{}]\n{name} = {figure:?}\n", row.id);
            let read = Thresholds::from_toml(&same).expect("the table is in order");
            assert_eq!(read, Thresholds::default(), "{same}");
        }
    }
}
