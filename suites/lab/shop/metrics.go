package shop

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are one shop's, on a registry of its own, so that tests run many shops
// in one process.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMetrics(db store, health *health) metrics {
	m := metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_http_requests_total",
			Help: "Requests answered, by route, method and status code.",
		}, []string{"route", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "shop_http_request_duration_seconds",
			Help:    "Time to answer, by route and method.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 2.5, 5},
		}, []string{"route", "method"}),
	}
	m.registry.MustRegister(
		m.requests, m.duration,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		poolStats(db),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "shop_database_up",
			Help: "1 if the database answered the last question asked of it each second, else 0.",
		}, func() float64 {
			if up, _ := health.database(time.Now()); up {
				return 1
			}
			return 0
		}),
	)
	return m
}

func (m metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// measure counts and times what next answers. The labels are bounded: the route
// is the mux's pattern, never the path asked for.
func (m metrics) measure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		answer := &answerWatch{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(answer, r)
		route := "unmatched"
		if _, path, ok := strings.Cut(r.Pattern, " "); ok {
			route = path
		}
		method := "other"
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
			method = r.Method
		}
		m.requests.WithLabelValues(route, method, strconv.Itoa(answer.code)).Inc()
		m.duration.WithLabelValues(route, method).Observe(time.Since(start).Seconds())
	})
}

// answerWatch remembers the status code.
type answerWatch struct {
	http.ResponseWriter
	code int
}

func (a *answerWatch) WriteHeader(code int) {
	a.code = code
	a.ResponseWriter.WriteHeader(code)
}

func (a *answerWatch) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// poolStats reads the pool at each scrape.
type poolStats struct{ pool *pgxpool.Pool }

var (
	poolConnections = prometheus.NewDesc("shop_pool_connections", "Database connections, by state.", []string{"state"}, nil)
	poolMax         = prometheus.NewDesc("shop_pool_connections_max", "The most database connections the pool makes.", nil, nil)
	poolAcquired    = prometheus.NewDesc("shop_pool_acquires_total", "Connections taken from the pool.", nil, nil)
	poolCanceled    = prometheus.NewDesc("shop_pool_acquires_canceled_total", "Waits for a connection given up at their deadline.", nil, nil)
	poolWait        = prometheus.NewDesc("shop_pool_acquire_wait_seconds_total", "Time spent taking connections from the pool.", nil, nil)
	poolNew         = prometheus.NewDesc("shop_pool_connects_total", "Database connections made.", nil, nil)
)

func (poolStats) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{poolConnections, poolMax, poolAcquired, poolCanceled, poolWait, poolNew} {
		out <- desc
	}
}

func (p poolStats) Collect(out chan<- prometheus.Metric) {
	s := p.pool.Stat()
	gauge := func(desc *prometheus.Desc, v int32, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(v), labels...)
	}
	counter := func(desc *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, v)
	}
	gauge(poolConnections, s.AcquiredConns(), "in use")
	gauge(poolConnections, s.IdleConns(), "idle")
	gauge(poolConnections, s.ConstructingConns(), "connecting")
	gauge(poolMax, s.MaxConns())
	counter(poolAcquired, float64(s.AcquireCount()))
	counter(poolCanceled, float64(s.CanceledAcquireCount()))
	counter(poolWait, s.AcquireDuration().Seconds())
	counter(poolNew, float64(s.NewConnsCount()))
}
