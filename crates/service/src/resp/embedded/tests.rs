use super::*;

#[test]
fn patterns_fit_as_redis_fits_them() {
    let check = |pattern: &str, text: &str, expected: bool| {
        assert_eq!(
            fits(pattern.as_bytes(), text.as_bytes()),
            expected,
            "{pattern} {text}"
        );
    };
    check("save", "save", true);
    check("*", "", true);
    check("max*", "maxmemory-policy", true);
    check("*memory", "maxmemory", true);
    check("m*x*y", "maxmemory-policy", true);
    check("max?emory", "maxmemory", true);
    check("sav", "save", false);
    check("saves", "save", false);
    check("*z", "maxmemory", false);
    check(&"*a".repeat(30), &"a".repeat(29), false);
}

#[test]
fn the_table_is_in_order_and_every_command_of_it_is_carried_out() {
    let names: Vec<_> = CATALOGUE.iter().map(|entry| entry.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    let context = Context {
        database: 0,
        largest: 100,
    };
    for entry in CATALOGUE {
        let words = usize::try_from(entry.arity.abs()).expect("small");
        let words: Vec<Bytes> = (0..words).map(|_| Bytes::from_static(b"1")).collect();
        let elsewhere = ["dbsize", "flushall", "flushdb"].contains(&entry.name);
        assert_eq!(
            plan(entry.name, &words, context).is_none(),
            elsewhere,
            "{}",
            entry.name
        );
    }
}
