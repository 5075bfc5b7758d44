//! The dashboards in dashboards/: their panels and the queries in them.

use std::fs;

use serde_json::Value;

use super::rules::{files, name_of};

/// Variables that Grafana sets, and a value for each.
const BUILT_IN: [(&str, &str); 2] = [("$__rate_interval", "5m"), ("$__range", "1h")];
/// Variables that people set; a dashboard has to define those that it uses.
const CHOSEN: [&str; 8] =
    ["$job", "$instance", "$direction", "$peer", "$origin", "$destination", "$probe", "$database"];

/// A dashboard, as JSON.
pub struct Dashboard {
    pub file: String,
    pub json: Value,
}

/// A query, with Grafana's variables replaced by values.
pub struct Query {
    pub place: String,
    pub expression: String,
    /// Labels that its legend names.
    pub legend: Vec<String>,
}

pub fn read() -> Vec<Dashboard> {
    let read = |file: &std::path::PathBuf| {
        let text = fs::read_to_string(file).expect("a readable file");
        let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Dashboard { file: name_of(file).to_owned(), json }
    };
    files("dashboards", ".json").iter().map(read).collect()
}

fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// The text between each `open` and the `close` behind it.
pub fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    text.split(open).skip(1).filter_map(|rest| Some(rest.split_once(close)?.0.trim())).collect()
}

impl Dashboard {
    /// All panels, those inside collapsed rows too.
    pub fn panels(&self) -> Vec<&Value> {
        items(&self.json, "panels").iter().flat_map(|panel| [panel].into_iter().chain(items(panel, "panels"))).collect()
    }

    pub fn panel(&self, id: u64) -> Option<&Value> {
        self.panels().into_iter().find(|panel| panel["id"] == id)
    }

    /// The queries of panels and variables.
    pub fn queries(&self) -> Vec<Query> {
        let mut queries = Vec::new();
        for panel in self.panels() {
            for target in items(panel, "targets") {
                let place =
                    format!("{}, panel {} {}, query {}", self.file, panel["id"], panel["title"], target["refId"]);
                let legend = target["legendFormat"].as_str().unwrap_or_default();
                let legend = between(legend, "{{", "}}").into_iter().map(String::from).collect();
                let expression = target["expr"].as_str().unwrap_or_else(|| panic!("{place}: no expr"));
                queries.push(Query { place, expression: substitute(expression), legend });
            }
        }
        for variable in items(&self.json["templating"], "list").iter().filter(|variable| variable["type"] == "query") {
            let place = format!("{}, variable {}", self.file, variable["name"]);
            let query = variable["query"]["query"].as_str().unwrap_or_else(|| panic!("{place}: no query"));
            let (expression, label) = query
                .strip_prefix("label_values(")
                .and_then(|rest| rest.strip_suffix(')')?.rsplit_once(", "))
                .unwrap_or_else(|| panic!("{place}: {query} is no label_values(series, label)"));
            queries.push(Query { place, expression: substitute(expression), legend: vec![label.to_owned()] });
        }
        queries
    }

    /// Where the links of panels lead inside Grafana: panel, dashboard and panel there.
    pub fn links(&self) -> Vec<(u64, String, u64)> {
        let mut links = Vec::new();
        for panel in self.panels() {
            let id = panel["id"].as_u64().unwrap_or_default();
            for url in items(panel, "links").iter().filter_map(|link| link["url"].as_str()?.strip_prefix("/d/")) {
                let (uid, rest) = url.split_once("?viewPanel=").unwrap_or((url, ""));
                let target = rest.split('&').next().and_then(|number| number.parse().ok()).unwrap_or(0);
                links.push((id, uid.to_owned(), target));
            }
        }
        links
    }

    /// Values at which the colours of a panel change.
    pub fn thresholds(panel: &Value) -> Vec<f64> {
        let steps = items(&panel["fieldConfig"]["defaults"]["thresholds"], "steps");
        steps.iter().filter_map(|step| step["value"].as_f64()).collect()
    }

    /// What is not as it should be, by the conventions of dashboards that people install by the hundred.
    pub fn lapses(&self) -> Vec<String> {
        let json = &self.json;
        let mut lapses = Vec::new();
        let mut expect = |holds: bool, what: String| {
            if !holds {
                lapses.push(format!("{}: {what}", self.file));
            }
        };
        expect(
            self.file == format!("{}.json", json["uid"].as_str().unwrap_or_default()),
            "the uid names the file".into(),
        );
        expect(json.get("__inputs").is_none() && json.get("id").is_none(), "no __inputs, no id".into());
        expect(json["editable"] == false, "not editable".into());
        let variables: Vec<&str> =
            items(&json["templating"], "list").iter().filter_map(|variable| variable["name"].as_str()).collect();
        expect(variables.starts_with(&["datasource", "job", "instance"]), format!("variables are {variables:?}"));
        let used = json["templating"].to_string() + &json["panels"].to_string();
        for chosen in CHOSEN.iter().filter(|chosen| used.contains(**chosen)) {
            expect(variables.contains(&&chosen[1..]), format!("{chosen} is used, and no variable"));
        }
        let mut ids: Vec<Option<u64>> = self.panels().iter().map(|panel| panel["id"].as_u64()).collect();
        ids.sort_unstable();
        expect(ids.windows(2).all(|pair| pair[0] < pair[1]) && ids[0].is_some(), format!("ids not unique: {ids:?}"));
        for panel in self.panels().into_iter().filter(|panel| panel["type"] != "row") {
            let has = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
            let defaults = &panel["fieldConfig"]["defaults"];
            let whole = has(&panel["title"]) && has(&panel["description"]) && has(&defaults["unit"]);
            expect(whole, format!("panel {} needs a title, a description and a unit", panel["id"]));
            for target in items(panel, "targets") {
                let source =
                    target["datasource"]["uid"] == "${datasource}" && panel["datasource"]["uid"] == "${datasource}";
                expect(source, format!("panel {}: the data source is a variable", panel["id"]));
                let ranges = between(target["expr"].as_str().unwrap_or_default(), "[", "]");
                let chosen = ranges.iter().all(|range| ["$__rate_interval", "$__range"].contains(range));
                expect(chosen, format!("panel {}: fixed range in {ranges:?}", panel["id"]));
            }
        }
        lapses
    }
}

fn substitute(expression: &str) -> String {
    let values = BUILT_IN.into_iter().chain(CHOSEN.map(|variable| (variable, ".+")));
    values.fold(expression.to_owned(), |text, (variable, value)| text.replace(variable, value))
}
