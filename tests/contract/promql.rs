//! Walks a PromQL expression: which series it reads, whether each label is there, which labels its result has.

use std::collections::BTreeMap;

use promql_parser::label::{MatchOp, Matchers};
use promql_parser::parser::{
    AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorSelector, parse, value::ValueType,
};

use super::catalogue::{Catalogue, Names};

/// What expressions may name, and what was found in those read so far.
pub struct Reader<'a> {
    catalogue: &'a Catalogue,
    /// Labels of the recorded series by name.
    pub recorded: BTreeMap<String, Names>,
    /// Catalogue families that were read.
    pub families: Names,
    pub problems: Vec<String>,
}

impl<'a> Reader<'a> {
    pub fn new(catalogue: &'a Catalogue) -> Self {
        Reader { catalogue, recorded: BTreeMap::new(), families: Names::new(), problems: Vec::new() }
    }

    /// Reads an expression in which Grafana's variables are replaced; `place` is where it stands. Gives the labels of
    /// its result.
    pub fn read(&mut self, place: &str, expression: &str) -> Names {
        let before = self.problems.len();
        let labels = match parse(expression) {
            Ok(tree) => self.labels(&tree),
            Err(error) => {
                self.problems.push(error);
                Names::new()
            }
        };
        for problem in &mut self.problems[before..] {
            *problem = format!("{place}: {problem}");
        }
        labels
    }

    fn labels(&mut self, tree: &Expr) -> Names {
        match tree {
            Expr::VectorSelector(selector) => self.selector(selector),
            Expr::MatrixSelector(matrix) => self.selector(&matrix.vs),
            Expr::Paren(paren) => self.labels(&paren.expr),
            Expr::Unary(unary) => self.labels(&unary.expr),
            Expr::Subquery(subquery) => self.labels(&subquery.expr),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Binary(binary) => self.binary(binary),
            Expr::Call(call) => self.call(call),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Names::new(),
            Expr::Extension(_) => {
                self.problems.push("an extension of PromQL".to_owned());
                Names::new()
            }
        }
    }

    fn selector(&mut self, selector: &VectorSelector) -> Names {
        let Some(name) = selector.name.as_deref() else {
            self.problems.push("a selector without a metric name".to_owned());
            return Names::new();
        };
        if let Some(family) = self.catalogue.family_of(name) {
            self.families.insert(family.to_owned());
        }
        let Some(labels) = self.recorded.get(name).cloned().or_else(|| self.catalogue.labels_of(name)) else {
            self.problems.push(format!("{name} is neither in the catalogue nor recorded"));
            return Names::new();
        };
        for matcher in &selector.matchers.matchers {
            self.require(&labels, &matcher.name, name);
        }
        labels
    }

    fn require(&mut self, labels: &Names, label: &str, whose: &str) {
        if !labels.contains(label) {
            self.problems.push(format!("{whose} has no label {label}, only {labels:?}"));
        }
    }

    fn aggregate(&mut self, aggregate: &AggregateExpr) -> Names {
        let inner = self.labels(&aggregate.expr);
        let named = aggregate.modifier.as_ref().map(|modifier| modifier.labels().labels.clone()).unwrap_or_default();
        for label in &named {
            self.require(&inner, label, &format!("the inside of {}", aggregate.op));
        }
        match &aggregate.modifier {
            // These choose series and leave them as they are.
            _ if ["topk", "bottomk"].contains(&aggregate.op.to_string().as_str()) => inner,
            None => Names::new(),
            Some(LabelModifier::Include(_)) => named.into_iter().collect(),
            Some(LabelModifier::Exclude(_)) => inner.into_iter().filter(|label| !named.contains(label)).collect(),
        }
    }

    fn binary(&mut self, binary: &BinaryExpr) -> Names {
        let (left, right) = (self.labels(&binary.lhs), self.labels(&binary.rhs));
        let is_vector = |side: &Expr| side.value_type() == ValueType::Vector;
        match (is_vector(&binary.lhs), is_vector(&binary.rhs)) {
            (true, false) => return left,
            (false, _) => return right,
            (true, true) => {}
        }
        let op = binary.op.to_string();
        if op == "or" {
            return left.union(&right).cloned().collect();
        }
        let matching = binary.modifier.as_ref().and_then(|modifier| modifier.matching.as_ref());
        let (left_key, right_key) = match matching {
            Some(LabelModifier::Include(on)) => {
                for label in &on.labels {
                    self.require(&left, label, &format!("the left side of {op}"));
                    self.require(&right, label, &format!("the right side of {op}"));
                }
                return left;
            }
            Some(LabelModifier::Exclude(ignored)) => {
                let keep = |labels: &Names| -> Names {
                    labels.iter().filter(|label| !ignored.labels.contains(label)).cloned().collect()
                };
                (keep(&left), keep(&right))
            }
            None => (left.clone(), right.clone()),
        };
        if left_key != right_key {
            self.problems.push(format!("the sides of {op} never match: {left_key:?} and {right_key:?}"));
        }
        left
    }

    fn call(&mut self, call: &Call) -> Names {
        let mut labels = Names::new();
        for argument in &call.args.args {
            labels.extend(self.labels(argument));
        }
        match call.func.name {
            "histogram_quantile" => {
                self.require(&labels, "le", "the histogram");
                labels.remove("le");
            }
            "label_replace" => labels.extend(literal(&call.args.args, 1)),
            "absent" | "absent_over_time" => labels = equal_matchers(&call.args.args),
            _ => {}
        }
        labels
    }
}

/// The text that stands at this place among the arguments.
fn literal(arguments: &[Box<Expr>], place: usize) -> Option<String> {
    match arguments.get(place).map(AsRef::as_ref) {
        Some(Expr::StringLiteral(text)) => Some(text.val.clone()),
        _ => None,
    }
}

/// absent() takes its labels from the matchers for one value.
fn equal_matchers(arguments: &[Box<Expr>]) -> Names {
    let matchers = |matchers: &Matchers| {
        let equal = matchers.matchers.iter().filter(|matcher| matches!(matcher.op, MatchOp::Equal));
        equal.map(|matcher| matcher.name.clone()).collect()
    };
    match arguments.first().map(AsRef::as_ref) {
        Some(Expr::VectorSelector(selector)) => matchers(&selector.matchers),
        Some(Expr::MatrixSelector(matrix)) => matchers(&matrix.vs.matchers),
        _ => Names::new(),
    }
}

/// The number that an alert's first comparison is with; nothing where it is `==`, or with zero.
pub fn threshold(expression: &str) -> Option<f64> {
    fn first(tree: &Expr) -> Option<f64> {
        match tree {
            Expr::Paren(paren) => first(&paren.expr),
            Expr::Binary(binary) => match (binary.op.to_string().as_str(), binary.rhs.as_ref()) {
                (">" | ">=" | "<" | "<=", Expr::NumberLiteral(number)) => Some(number.val),
                _ => first(&binary.lhs),
            },
            _ => None,
        }
    }
    first(&parse(expression).ok()?).filter(|number| *number != 0.0)
}
