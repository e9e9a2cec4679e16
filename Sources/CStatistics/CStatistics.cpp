#include "CStatistics.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/hypergeometric.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/policies/policy.hpp>
#include <cmath>

namespace {

namespace policies = boost::math::policies;

// Errors become NaN and errno, never exceptions; a tail too small for a double is 0.
using Quiet = policies::policy<
    policies::domain_error<policies::errno_on_error>, policies::pole_error<policies::errno_on_error>,
    policies::overflow_error<policies::errno_on_error>, policies::evaluation_error<policies::errno_on_error>,
    policies::rounding_error<policies::errno_on_error>,
    policies::indeterminate_result_error<policies::errno_on_error>,
    policies::underflow_error<policies::ignore_error>, policies::denorm_error<policies::ignore_error>>;

using Normal = boost::math::normal_distribution<double, Quiet>;
using Student = boost::math::students_t_distribution<double, Quiet>;
using Binomial = boost::math::binomial_distribution<double, Quiet>;
using Hypergeometric = boost::math::hypergeometric_distribution<double, Quiet>;

constexpr cstatistics_answer none{0, true};
// Beyond this a double does not hold every count.
constexpr int64_t countMax = int64_t(1) << 53;
// Boost's hypergeometric sums terms one by one: what a search for blame asks stays far below.
constexpr int64_t populationMax = 100'000'000;

// Whatever happens inside, out of memory included, ends as an answer.
template <typename Body>
cstatistics_answer answer(Body body) noexcept {
    try {
        const double value = body();
        return std::isfinite(value) ? cstatistics_answer{value, false} : none;
    } catch (...) {
        return none;
    }
}

bool isShare(double p) noexcept { return p > 0 && p < 1; }

}  // namespace

extern "C" {

cstatistics_answer cstatistics_normal_above(double z) {
    if (std::isnan(z)) return none;
    if (std::isinf(z)) return {z > 0 ? 0.0 : 1.0, false};
    return answer([&] { return boost::math::cdf(boost::math::complement(Normal(), z)); });
}

cstatistics_answer cstatistics_normal_quantile(double p) {
    if (!isShare(p)) return none;
    return answer([&] { return boost::math::quantile(Normal(), p); });
}

cstatistics_answer cstatistics_student_above(double t, double freedom) {
    if (std::isnan(t) || !(freedom > 0) || std::isinf(freedom)) return none;
    if (std::isinf(t)) return {t > 0 ? 0.0 : 1.0, false};
    return answer([&] { return boost::math::cdf(boost::math::complement(Student(freedom), t)); });
}

cstatistics_answer cstatistics_student_quantile(double p, double freedom) {
    if (!isShare(p) || !(freedom > 0) || std::isinf(freedom)) return none;
    return answer([&] { return boost::math::quantile(Student(freedom), p); });
}

cstatistics_answer cstatistics_binomial_at_least(int64_t count, int64_t trials, double share) {
    if (trials < 0 || trials > countMax || !(share >= 0 && share <= 1)) return none;
    if (count <= 0) return {1, false};
    if (count > trials) return {0, false};
    return answer([&] {
        return boost::math::cdf(boost::math::complement(Binomial(double(trials), share), double(count - 1)));
    });
}

cstatistics_answer cstatistics_hypergeometric_at_least(
    int64_t count, int64_t drawn, int64_t marked, int64_t total) {
    if (total < 0 || total > populationMax || drawn < 0 || drawn > total || marked < 0 || marked > total) return none;
    if (count <= std::max<int64_t>(0, drawn + marked - total)) return {1, false};
    if (count > std::min(drawn, marked)) return {0, false};
    return answer([&] {
        const Hypergeometric among{unsigned(marked), unsigned(drawn), unsigned(total)};
        return boost::math::cdf(boost::math::complement(among, unsigned(count - 1)));
    });
}

cstatistics_answer cstatistics_log(double x) {
    if (!(x > 0)) return none;
    return answer([&] { return std::log(x); });
}

cstatistics_answer cstatistics_exp(double x) {
    if (std::isnan(x)) return none;
    return answer([&] { return std::exp(x); });
}

}  // extern "C"
