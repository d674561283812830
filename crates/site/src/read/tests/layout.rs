use crate::read::fmt;

#[test]
fn spaces_lines_and_levels_are_put_in_order() {
    let before = "\u{feff}\r\nsite   \"x\"{\r\n\r\n\tserver web-01 \"10.0.0.1\"{public \"8.8.8.8\" ;}   // here\r\n\r\n\r\n  \
        web      web-01   static=\"a  b\"  \r\n/* kept\r\n     as it is */\r\n\r\n}\r\n\r\n";
    let after = "\
site \"x\" {
    server web-01 \"10.0.0.1\" { public \"8.8.8.8\"; }   // here

    web web-01 static=\"a  b\"
    /* kept
     as it is */
}
";
    assert_eq!(fmt(before).unwrap(), after);
}

#[test]
fn what_lines_up_with_a_neighbour_stays() {
    let same = "\
site x {
    server lb-01  \"10.0.0.11\" { public \"8.8.8.8\"; }
    server web-01 \"10.0.0.21\"

    web      web-01 static=a
    app      web-01 code=b {
        build \"x\"

        run   \"y\" // runs
    }
    // after the app
    database web-01   // one
}
";
    let lines_up = same.replace("\n\n        run", "\n        run");
    assert_eq!(fmt(&lines_up).unwrap(), lines_up);
    // A blank line parts neighbours.
    assert_eq!(fmt(same).unwrap(), same.replace("run   ", "run "));
    // Nothing lines up any more with what has moved.
    let moved = lines_up.replace("    app      web", "    app     web");
    let one_less = lines_up
        .replace("web      web", "web web")
        .replace("app      web", "app web");
    assert_eq!(fmt(&moved).unwrap(), one_less);
}

#[test]
fn a_file_with_mistakes_is_left_alone() {
    let problems = fmt("web web-01, web-02").unwrap_err();
    assert_eq!(problems[0].code, "comma");
}
