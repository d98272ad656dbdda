//! Histograms kept in our own atomics, as a collector of the Prometheus registry.

use std::collections::HashMap;

use forewarm_application::metrics::{CATALOGUE, MetricKind, MetricSpec, SampleValue};
use prometheus::core::{Collector, Desc};
use prometheus::proto;

use super::Read;

/// Every catalogued histogram.
pub(super) struct Histograms {
    read: Read,
    families: Vec<(&'static MetricSpec, Desc)>,
}

impl Histograms {
    pub(super) fn new(read: &Read, prefix: &str) -> Result<Self, prometheus::Error> {
        let families = CATALOGUE
            .iter()
            .filter(|spec| spec.kind == MetricKind::Histogram)
            .map(|spec| {
                let name = spec.name_with_prefix(prefix);
                let labels = spec
                    .labels
                    .iter()
                    .map(|label| label.name.to_owned())
                    .collect();
                Ok((
                    spec,
                    Desc::new(name, spec.help.to_owned(), labels, HashMap::new())?,
                ))
            })
            .collect::<Result<_, prometheus::Error>>()?;
        Ok(Self {
            read: read.clone(),
            families,
        })
    }
}

impl Collector for Histograms {
    fn desc(&self) -> Vec<&Desc> {
        self.families.iter().map(|(_, desc)| desc).collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        self.families
            .iter()
            .map(|(spec, desc)| {
                let mut series = Vec::new();
                let names = &*self.read.chain_names;
                self.read
                    .metrics
                    .visit_one(spec.metric, names, &mut |sample| {
                        if let SampleValue::Histogram {
                            buckets,
                            count,
                            sum,
                        } = sample.value
                        {
                            let mut metric = proto::Metric::from_label(labels(sample.labels));
                            metric.set_histogram(histogram(spec, &buckets, count, sum));
                            series.push(metric);
                        }
                    });
                let mut family = proto::MetricFamily::default();
                family.set_name(desc.fq_name.clone());
                family.set_help(desc.help.clone());
                family.set_field_type(proto::MetricType::HISTOGRAM);
                family.set_metric(series);
                family
            })
            .filter(|family| !family.get_metric().is_empty())
            .collect()
    }
}

fn labels(pairs: &[(&str, &str)]) -> Vec<proto::LabelPair> {
    pairs
        .iter()
        .map(|(name, value)| {
            let mut pair = proto::LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        })
        .collect()
}

fn histogram(spec: &MetricSpec, buckets: &[u64], count: u64, sum: f64) -> proto::Histogram {
    let buckets = spec.buckets.iter().zip(buckets).map(|(bound, count)| {
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(*count);
        bucket
    });
    let mut histogram = proto::Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(count);
    histogram.set_sample_sum(sum);
    histogram
}
