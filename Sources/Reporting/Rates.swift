import Gates
import JSON
package import Model

/// What an hour costs: of processor time, and of each model of GPU.
package struct Rates: Equatable, Sendable {
    /// As it is shown: `EUR`.
    package var currency: String
    package var cpuHour: Double
    /// By the model's name; `*` is any other.
    package var gpuHours: [Value.Member]

    package init(currency: String, cpuHour: Double, gpuHours: [Value.Member] = []) {
        self.currency = currency
        self.cpuHour = cpuHour
        self.gpuHours = gpuHours
    }

    package static let bytesMax = 64 << 10

    /// Reads `{"currency": "EUR", "cpu_hour": 0.04, "gpu_hour": {"NVIDIA H100 80GB HBM3": 2.5, "*": 1}}`; one number for
    /// `gpu_hour` is that of all models.
    package static func read(_ text: String) throws(RatesError) -> Rates {
        guard text.utf8.count <= bytesMax else {
            throw RatesError(problem: "the rates are larger than \(ByteCount(Int64(bytesMax)))")
        }
        let value: Value
        do {
            value = try JSONParser.value(text)
        } catch {
            throw RatesError(problem: "the rates are no JSON: \(error)")
        }
        let known = ["currency", "cpu_hour", "gpu_hour"]
        guard let members = value.members else { throw RatesError(problem: "the rates are an object") }
        if let other = members.first(where: { !known.contains($0.key) }) {
            throw RatesError(
                problem: "no such rate: '\(other.key.prefix(40))'; there are \(known.joined(separator: ", "))")
        }
        guard let currency = value["currency"]?.string, (1...8).contains(currency.count) else {
            throw RatesError(problem: "'currency' is a text of 1 to 8 characters, as EUR")
        }
        let hour = { (value: Value?, name: String) throws(RatesError) -> Double in
            guard let number = value?.number, number >= 0, number <= 1e6 else {
                throw RatesError(problem: "'\(name)' is a number from 0 to 1000000")
            }
            return number
        }
        var rates = Rates(currency: currency, cpuHour: try hour(value["cpu_hour"] ?? 0, "cpu_hour"))
        switch value["gpu_hour"] {
        case nil: break
        case .object(let models):
            for model in models { _ = try hour(model.value, "gpu_hour.\(model.key.prefix(40))") }
            rates.gpuHours = models
        case .some(let value): rates.gpuHours = [Value.Member("*", .number(try hour(value, "gpu_hour")))]
        }
        return rates
    }

    func gpuHour(_ model: String) -> Double? {
        (gpuHours.first { $0.key == model } ?? gpuHours.first { $0.key == "*" })?.value.number
    }

    /// `1.24 EUR`; sums under a hundredth keep two digits.
    func text(_ amount: Double) -> String {
        let cents = (amount * 100).rounded() / 100
        return "\(cents == 0 || amount < 0.1 ? Figure.text(amount, digits: 2) : Figure.text(cents)) \(currency)"
    }
}

package struct RatesError: Error, Equatable, Sendable, CustomStringConvertible {
    package var problem: String
    package var description: String { problem }
}

/// What attempts took, added up over those that measured it.
package struct Cost: Equatable, Sendable {
    package var attempts = 0
    package var cpu = Duration.zero
    /// Wall time of attempts, added up.
    package var wall = Duration.zero
    package var gpu = Duration.zero
    package var setup = Duration.zero
    package var running = Duration.zero
    package var uploading = Duration.zero
    /// Of `cpu` and `wall`: spent by attempts that did not pass.
    package var wastedCPU = Duration.zero
    package var wastedWall = Duration.zero
    /// Of these: by attempts that another one followed, and by those that were cancelled.
    package var retriedCPU = Duration.zero
    package var retriedWall = Duration.zero
    package var cancelledCPU = Duration.zero
    package var cancelledWall = Duration.zero
    package var peakMemory: ByteCount?
    /// In the currency of the rates; `nil` without any.
    package var money: Double?
    /// Of `money`: for attempts that did not pass.
    package var wastedMoney: Double?
    /// Models of GPUs that have no rate, and are left out of `money`.
    package var unpriced: [String] = []

    package init() {}

    /// - Parameters:
    ///   - settledBy: the number of the attempt that settled a shard; of others the last one counts.
    ///   - rates: `nil` where nobody gave any.
    init(_ attempts: [AttemptFact], settledBy: [ShardPlace: Int], rates: Rates?) {
        var deciding: [ShardPlace: Int] = [:]
        for attempt in attempts {
            deciding[attempt.place] =
                settledBy[attempt.place] ?? max(deciding[attempt.place] ?? 0, attempt.number)
        }
        if rates != nil { (money, wastedMoney) = (0, 0) }
        for attempt in attempts {
            let (wall, cpu) = (attempt.duration ?? .zero, attempt.cpu ?? .zero)
            self.attempts += 1
            self.cpu += cpu
            self.wall += wall
            gpu += wall * attempt.gpus
            setup += attempt.setup ?? .zero
            running += attempt.running ?? .zero
            uploading += attempt.uploading ?? .zero
            var price = 0.0
            if let rates {
                price = cpu.inSeconds / 3600 * rates.cpuHour
                for model in attempt.gpuModels {
                    if let hour = rates.gpuHour(model) {
                        price += wall.inSeconds / 3600 * hour
                    } else if !unpriced.contains(model) {
                        unpriced.append(model)
                    }
                }
                money = (money ?? 0) + price
            }
            if let peak = attempt.peakMemory, peak > peakMemory ?? .zero { peakMemory = peak }
            guard let cause = attempt.cause, cause.kind != .passed else { continue }
            wastedCPU += cpu
            wastedWall += wall
            if rates != nil { wastedMoney = (wastedMoney ?? 0) + price }
            // Also one of two attempts at a shard, when the other counts.
            if cause.kind == .cancelled || cause.kind == .notNeeded {
                cancelledCPU += cpu
                cancelledWall += wall
            } else if attempt.number != deciding[attempt.place] {
                retriedCPU += cpu
                retriedWall += wall
            }
        }
        unpriced.sort()
    }
}
