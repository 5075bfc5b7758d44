//! The tables as text.

use super::super::world::{At, Cents, Rows};
use super::{Call, Campaign, Deal, Lead, Payment, World};

impl World {
    /// The rows of a table for COPY ... FROM STDIN.
    pub fn copy(&self, table: &str) -> String {
        let mut out = Rows::default();
        let id = |at: usize| at as i64 + 1;
        let of = |tenant: usize| self.tenants[tenant].id.as_str();
        match table {
            "organisations" => {
                for tenant in &self.tenants[..self.tenants.len() - 1] {
                    out.row(&[&tenant.id, &tenant.slug, &tenant.zone]);
                }
            }
            "calls" => {
                for (at, call) in self.calls.iter().enumerate() {
                    let Call { tenant, outcome, seconds, handler, assistant, region, result, .. } = call;
                    out.row(&[
                        &id(at),
                        &of(*tenant),
                        &At(call.at),
                        outcome,
                        seconds,
                        handler,
                        assistant,
                        region,
                        result,
                    ]);
                }
            }
            "leads" => {
                for (at, lead) in self.leads.iter().enumerate() {
                    let score = lead.score.map(|tenths| Cents(tenths * 10));
                    let Lead { stage, source, activities, converted, .. } = lead;
                    out.row(&[
                        &id(at),
                        &of(lead.tenant),
                        &At(lead.at),
                        stage,
                        source,
                        &score,
                        activities,
                        &converted.map(At),
                    ]);
                }
            }
            "deals" => {
                for (at, deal) in self.deals.iter().enumerate() {
                    let Deal { opened, closed, stage, cents, currency, team, .. } = deal;
                    out.row(&[
                        &id(at),
                        &of(deal.tenant),
                        &At(*opened),
                        &closed.map(At),
                        stage,
                        &cents.map(Cents),
                        currency,
                        team,
                    ]);
                }
            }
            "customers" => {
                for (at, customer) in self.customers.iter().enumerate() {
                    out.row(&[&id(at), &of(customer.tenant), &At(customer.at)]);
                }
            }
            "payments" => {
                for (at, payment) in self.payments.iter().enumerate() {
                    let Payment { customer, kind, cents, currency, region, product, .. } = payment;
                    out.row(&[
                        &id(at),
                        &of(payment.tenant),
                        &At(payment.at),
                        customer,
                        kind,
                        &Cents(*cents),
                        currency,
                        region,
                        product,
                    ]);
                }
            }
            "subscriptions" => {
                for (at, row) in self.subscriptions.iter().enumerate() {
                    out.row(&[
                        &id(at),
                        &of(row.tenant),
                        &At(row.started),
                        &row.ended.map(At),
                        &Cents(row.cents),
                        &row.currency,
                    ]);
                }
            }
            "forecasts" | "costs" => {
                let rows = if table == "costs" { &self.costs } else { &self.forecasts };
                for (at, row) in rows.iter().enumerate() {
                    out.row(&[&id(at), &of(row.tenant), &At(row.at), &row.word, &Cents(row.cents), &row.currency]);
                }
            }
            "attributions" => {
                for (at, row) in self.attributions.iter().enumerate() {
                    out.row(&[
                        &id(at),
                        &of(row.tenant),
                        &At(row.at),
                        &row.model,
                        &row.source,
                        &Cents(row.cents),
                        &row.currency,
                    ]);
                }
            }
            "campaigns" => {
                for (at, campaign) in self.campaigns.iter().enumerate() {
                    let Campaign { name, status, spend, revenue, currency, leads, customers, .. } = campaign;
                    let (spend, revenue) = (spend.map(Cents), revenue.map(Cents));
                    out.row(&[
                        &id(at),
                        &of(campaign.tenant),
                        &At(campaign.at),
                        name,
                        status,
                        &spend,
                        &revenue,
                        currency,
                        leads,
                        customers,
                    ]);
                }
            }
            "campaign_results" => {
                for row in &self.outcomes {
                    let [total, delivered, read, replied, failed, converted] = &row.counts;
                    out.row(&[&id(row.campaign), &row.variant, total, delivered, read, replied, failed, converted]);
                }
            }
            "goals" => {
                for goal in &self.goals {
                    out.row(&[&of(goal.tenant), &goal.name, &goal.target]);
                }
            }
            other => panic!("no table {other}"),
        }
        out.0
    }
}
