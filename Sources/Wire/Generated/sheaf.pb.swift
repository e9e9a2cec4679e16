// swift-format-ignore-file
// Written by protoc-gen-sheaf from sheaf.proto: run `make proto`, do not edit.

extension Proto {
    /// Which frames leave first when several streams of one connection have some.
    package struct Urgency: ProtoEnum {
        package let number: Int32
        package init(number: Int32) { self.number = number }
        package static let normal = Self(number: 0)
        /// Leases, reports: never behind a checkpoint.
        package static let control = Self(number: 1)
        /// Artifacts, logs.
        package static let bulk = Self(number: 2)
    }
}

extension Proto {
    /// The kinds of ends that a call has. What a client does next depends on the kind alone; the text is for people.
    package struct Code: ProtoEnum {
        package let number: Int32
        package init(number: Int32) { self.number = number }
        package static let ok = Self(number: 0)
        /// The request is malformed or out of its limits; sending it again changes nothing.
        package static let invalid = Self(number: 1)
        /// No such run, agent, object, token.
        package static let notFound = Self(number: 2)
        /// The certificate does not give this right.
        package static let denied = Self(number: 3)
        /// Something exists or has changed in between.
        package static let conflict = Self(number: 4)
        /// A limit of the farm is reached; later it may work.
        package static let exhausted = Self(number: 5)
        /// The farm cannot now: a disk is full, a leader changes. Later it may work.
        package static let unavailable = Self(number: 6)
        /// A fault of the farm.
        package static let `internal` = Self(number: 7)
        /// The caller took the request back.
        package static let cancelled = Self(number: 8)
        /// The coordinator does not know this method.
        package static let unimplemented = Self(number: 9)
    }
}

extension Proto {
    /// How an object's bytes travel. Its digest and size are always those of the bytes themselves.
    package struct Encoding: ProtoEnum {
        package let number: Int32
        package init(number: Int32) { self.number = number }
        package static let identity = Self(number: 0)
        /// One zstd frame.
        package static let zstd = Self(number: 1)
    }
}

extension Proto {
    /// One frame of a connection.
    package struct Frame: ProtoMessage {
        package static let protoName = "sheaf.v1.Frame"

        package enum Kind: Sendable, Equatable {
            case hello(Proto.Hello)
            case ping(Proto.Ping)
            case pong(Proto.Pong)
            case open(Proto.Open)
            case data(Proto.Data)
            case credit(Proto.Credit)
            case close(Proto.Close)
            case goAway(Proto.GoAway)
        }

        /// 0 for the connection itself.
        package var stream: UInt32 = 0
        package var kind: Kind?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: stream = try reader.value(ProtoUInt32.self)
                case 18: var value = if case .hello(let present) = kind { present } else { Proto.Hello() }; try reader.merge(into: &value); kind = .hello(value)
                case 26: var value = if case .ping(let present) = kind { present } else { Proto.Ping() }; try reader.merge(into: &value); kind = .ping(value)
                case 34: var value = if case .pong(let present) = kind { present } else { Proto.Pong() }; try reader.merge(into: &value); kind = .pong(value)
                case 42: var value = if case .open(let present) = kind { present } else { Proto.Open() }; try reader.merge(into: &value); kind = .open(value)
                case 50: var value = if case .data(let present) = kind { present } else { Proto.Data() }; try reader.merge(into: &value); kind = .data(value)
                case 58: var value = if case .credit(let present) = kind { present } else { Proto.Credit() }; try reader.merge(into: &value); kind = .credit(value)
                case 66: var value = if case .close(let present) = kind { present } else { Proto.Close() }; try reader.merge(into: &value); kind = .close(value)
                case 74: var value = if case .goAway(let present) = kind { present } else { Proto.GoAway() }; try reader.merge(into: &value); kind = .goAway(value)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt32.self, 1, stream)
            if case .hello(let value) = kind { writer.always(ProtoNested<Proto.Hello>.self, 2, value) }
            if case .ping(let value) = kind { writer.always(ProtoNested<Proto.Ping>.self, 3, value) }
            if case .pong(let value) = kind { writer.always(ProtoNested<Proto.Pong>.self, 4, value) }
            if case .open(let value) = kind { writer.always(ProtoNested<Proto.Open>.self, 5, value) }
            if case .data(let value) = kind { writer.always(ProtoNested<Proto.Data>.self, 6, value) }
            if case .credit(let value) = kind { writer.always(ProtoNested<Proto.Credit>.self, 7, value) }
            if case .close(let value) = kind { writer.always(ProtoNested<Proto.Close>.self, 8, value) }
            if case .goAway(let value) = kind { writer.always(ProtoNested<Proto.GoAway>.self, 9, value) }
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The first frame of both sides.
    package struct Hello: ProtoMessage {
        package static let protoName = "sheaf.v1.Hello"

        package var major: UInt32 = 0
        package var minor: UInt32 = 0
        /// The program, for logs: `sheaf 0.1.0`.
        package var software: String = ""
        /// How many payload bytes the other side may have on the way on one stream; 65 536 to 16 777 216.
        package var initialCredit: UInt32 = 0
        /// After how long without a frame the sender of this hello gives up; 1 000 to 600 000.
        package var silenceMaxMs: UInt32 = 0
        /// How many streams the other side may have open at one time; 1 to 65 536.
        package var streamsMax: UInt32 = 0
        /// The sender's clock, in nanoseconds since 1970; 0: it does not tell. For whoever looks for a wrong clock; nothing is
        /// decided by it.
        package var now: UInt64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: major = try reader.value(ProtoUInt32.self)
                case 16: minor = try reader.value(ProtoUInt32.self)
                case 26: software = try reader.value(ProtoString.self)
                case 32: initialCredit = try reader.value(ProtoUInt32.self)
                case 40: silenceMaxMs = try reader.value(ProtoUInt32.self)
                case 48: streamsMax = try reader.value(ProtoUInt32.self)
                case 56: now = try reader.value(ProtoUInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt32.self, 1, major)
            writer.field(ProtoUInt32.self, 2, minor)
            writer.field(ProtoString.self, 3, software)
            writer.field(ProtoUInt32.self, 4, initialCredit)
            writer.field(ProtoUInt32.self, 5, silenceMaxMs)
            writer.field(ProtoUInt32.self, 6, streamsMax)
            writer.field(ProtoUInt64.self, 7, now)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From either side, at any time after its hello: is the other one there? Any number will do.
    package struct Ping: ProtoMessage {
        package static let protoName = "sheaf.v1.Ping"

        package var number: UInt64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: number = try reader.value(ProtoUInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt64.self, 1, number)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The answer to a ping, with its number.
    package struct Pong: ProtoMessage {
        package static let protoName = "sheaf.v1.Pong"

        package var number: UInt64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: number = try reader.value(ProtoUInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt64.self, 1, number)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Opens a stream and names what it asks for.
    package struct Open: ProtoMessage {
        package static let protoName = "sheaf.v1.Open"

        /// `Farm.SubmitRun`: the service and the method below. At most 100 bytes.
        package var method: String = ""
        /// Frames of urgent streams leave before those of bulk streams.
        package var urgency: Proto.Urgency = Proto.Urgency(number: 0)
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: method = try reader.value(ProtoString.self)
                case 16: urgency = try reader.value(ProtoOpen<Proto.Urgency>.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, method)
            writer.field(ProtoOpen<Proto.Urgency>.self, 2, urgency)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A message, or a part of one.
    package struct Data: ProtoMessage {
        package static let protoName = "sheaf.v1.Data"

        package var payload: [UInt8] = []
        /// The message goes on in the stream's next data frame.
        package var more: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: payload = try reader.value(ProtoBytes.self)
                case 16: more = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoBytes.self, 1, payload)
            writer.field(ProtoBool.self, 2, more)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Bytes that the receiver has used and the sender may send again.
    package struct Credit: ProtoMessage {
        package static let protoName = "sheaf.v1.Credit"

        package var bytes: UInt32 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: bytes = try reader.value(ProtoUInt32.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt32.self, 1, bytes)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The sender sends nothing more on this stream.
    package struct Close: ProtoMessage {
        package static let protoName = "sheaf.v1.Close"

        package var status: Proto.Status?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &status)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.Status>.self, 1, status)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// How a call ended.
    package struct Status: ProtoMessage {
        package static let protoName = "sheaf.v1.Status"

        package var code: Proto.Code = Proto.Code(number: 0)
        /// For people: what is wrong and what to do. Empty when OK.
        package var text: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: code = try reader.value(ProtoOpen<Proto.Code>.self)
                case 18: text = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoOpen<Proto.Code>.self, 1, code)
            writer.field(ProtoString.self, 2, text)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The sender closes the connection, and why.
    package struct GoAway: ProtoMessage {
        package static let protoName = "sheaf.v1.GoAway"

        package var status: Proto.Status?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &status)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.Status>.self, 1, status)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From a stranger with a token: asks for a certificate. Role, name and team are those that the token was made for.
    /// Whom the answer did not reach may ask again with the same key while the token has not expired.
    package struct EnrolRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.EnrolRequest"

        /// The single-use token, as in the token file.
        package var token: String = ""
        /// A PKCS #10 request in DER, for its public key and proof of possession alone: its subject is ignored.
        package var certificateRequest: [UInt8] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: token = try reader.value(ProtoString.self)
                case 18: certificateRequest = try reader.value(ProtoBytes.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, token)
            writer.field(ProtoBytes.self, 2, certificateRequest)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The farm's answer: an identity. The token is used up, but for the key that it was used for.
    package struct EnrolResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.EnrolResponse"

        /// PEM: the new certificate.
        package var certificate: String = ""
        /// PEM: the authority's certificate.
        package var authority: String = ""
        /// Who the bearer is now; the team may be empty.
        package var name: String = ""
        package var team: String = ""
        /// Where agents and people connect from now on: `host:port`.
        package var address: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: certificate = try reader.value(ProtoString.self)
                case 18: authority = try reader.value(ProtoString.self)
                case 26: name = try reader.value(ProtoString.self)
                case 34: team = try reader.value(ProtoString.self)
                case 42: address = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, certificate)
            writer.field(ProtoString.self, 2, authority)
            writer.field(ProtoString.self, 3, name)
            writer.field(ProtoString.self, 4, team)
            writer.field(ProtoString.self, 5, address)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From an agent, over a connection that its present certificate opened.
    package struct RenewRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.RenewRequest"

        /// As for EnrolRequest.
        package var certificateRequest: [UInt8] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: certificateRequest = try reader.value(ProtoBytes.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoBytes.self, 1, certificateRequest)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From an agent, for `actions/cache` in an attempt whose lease it holds. The farm looks in the run's own branch, then
    /// in the one that it will be merged into, then in the default branch; only within its repository and team.
    package struct FindCacheRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.FindCacheRequest"

        package var attempt: Proto.AttemptRef?
        /// 1 to 512 bytes, without commas and line breaks.
        package var key: String = ""
        /// Beginnings of keys that will do, the best first.
        package var restoreKeys: [String] = []
        /// Digest of the paths that are kept: others' files never come back under the same key.
        package var paths: [UInt8] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &attempt)
                case 18: key = try reader.value(ProtoString.self)
                case 26: try reader.append(ProtoString.self, to: &restoreKeys)
                case 34: paths = try reader.value(ProtoBytes.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.AttemptRef>.self, 1, attempt)
            writer.field(ProtoString.self, 2, key)
            writer.repeated(ProtoString.self, 3, restoreKeys)
            writer.field(ProtoBytes.self, 4, paths)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// What is kept under the key, else the newest whose key begins with it, else the same for each restore key in turn.
    /// The attempt may then get the manifest and its chunks.
    package struct FindCacheResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.FindCacheResponse"

        /// Empty where nothing was found.
        package var key: String = ""
        package var manifest: Proto.ObjectRef?
        /// The branch that saved it.
        package var branch: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: key = try reader.value(ProtoString.self)
                case 18: try reader.merge(into: &manifest)
                case 26: branch = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, key)
            writer.field(ProtoNested<Proto.ObjectRef>.self, 2, manifest)
            writer.field(ProtoString.self, 3, branch)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From an agent, for an attempt whose lease it holds: keeps a tree, for the branch of its run. `key` and `paths` are
    /// as in FindCacheRequest.
    package struct SaveCacheRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.SaveCacheRequest"

        package var attempt: Proto.AttemptRef?
        package var key: String = ""
        package var paths: [UInt8] = []
        /// At most 10 GiB are kept for a repository, of content before compression; what was not used for longest goes.
        package var manifest: Proto.ObjectRef?
        /// Bytes of all files, before compression.
        package var contentBytes: UInt64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &attempt)
                case 18: key = try reader.value(ProtoString.self)
                case 26: paths = try reader.value(ProtoBytes.self)
                case 34: try reader.merge(into: &manifest)
                case 40: contentBytes = try reader.value(ProtoUInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.AttemptRef>.self, 1, attempt)
            writer.field(ProtoString.self, 2, key)
            writer.field(ProtoBytes.self, 3, paths)
            writer.field(ProtoNested<Proto.ObjectRef>.self, 4, manifest)
            writer.field(ProtoUInt64.self, 5, contentBytes)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Sent once that is committed.
    package struct SaveCacheResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.SaveCacheResponse"

        /// False when another attempt has saved this key first.
        package var saved: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: saved = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoBool.self, 1, saved)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The farm's answer: the next certificate.
    package struct RenewResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.RenewResponse"

        /// PEM: the new certificate, of the same bearer.
        package var certificate: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: certificate = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, certificate)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From a person: a run of a workflow. Also what the coordinator stores of it, and reads again after a restart. A
    /// workflow and a file of gates have at most 10 MiB each.
    package struct SubmitRunRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.SubmitRunRequest"

        /// The workflow file's path as the submitter gave it, for diagnostics.
        package var file: String = ""
        /// The workflow, UTF-8.
        package var workflow: String = ""
        /// A second file that holds only `gates`, given by `--with`.
        package var gatesFile: String = ""
        package var gates: String = ""
        /// The event's name (`workflow_dispatch`, `push`, …) and its payload in JSON.
        package var eventName: String = ""
        package var eventJson: String = ""
        package var inputs: [String: String] = [:]
        package var vars: [String: String] = [:]
        /// The manifest of the packed code tree; it must have been put before.
        package var tree: [UInt8] = []
        /// The commit that the tree is based on, 40 hexadecimal digits, and the branch; empty outside a repository.
        package var commit: String = ""
        package var branch: String = ""
        /// True when the work tree differed from the commit.
        package var dirty: Bool = false
        /// Makes a repeated submission harmless: the same key gives the same run. 16 to 64 characters.
        package var key: String = ""
        /// `owner/name` of the repository, where known.
        package var repository: String = ""
        /// The branches that gates compare with, as the repository knows them.
        package var branches: [Proto.BranchHistory] = []
        /// Filled by the coordinator alone: the run that this one reruns, and whether it keeps what had settled well of it.
        package var rerunOf: UInt64 = 0
        package var rerunFailed: Bool = false
        /// -24 to 24: among the submitter's own runs, as if it had been submitted so many hours earlier.
        package var priority: Int32 = 0
        /// The coordinator tells the code host of `repository` what the run comes to, at `commit`: refused where it cannot.
        package var deliver: Bool = false
        /// The pull or merge request that gets a comment; 0: the one of the event, if it is of one.
        package var deliverRequest: UInt32 = 0
        /// Filled by the coordinator alone: `github` or `gitlab`, whoever has the repository.
        package var deliverHost: String = ""
        /// Filled by the coordinator alone: the repositories whose actions the workflow uses, as they were fetched.
        package var actions: [Proto.ActionSource] = []
        /// The submitter says that the code is a stranger's. The pull request of a fork is untrusted without that.
        package var untrusted: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: file = try reader.value(ProtoString.self)
                case 18: workflow = try reader.value(ProtoString.self)
                case 26: gatesFile = try reader.value(ProtoString.self)
                case 34: gates = try reader.value(ProtoString.self)
                case 42: eventName = try reader.value(ProtoString.self)
                case 50: eventJson = try reader.value(ProtoString.self)
                case 58: try reader.entry(ProtoString.self, ProtoString.self, into: &inputs)
                case 66: try reader.entry(ProtoString.self, ProtoString.self, into: &vars)
                case 74: tree = try reader.value(ProtoBytes.self)
                case 82: commit = try reader.value(ProtoString.self)
                case 90: branch = try reader.value(ProtoString.self)
                case 96: dirty = try reader.value(ProtoBool.self)
                case 106: key = try reader.value(ProtoString.self)
                case 114: repository = try reader.value(ProtoString.self)
                case 122: try reader.append(ProtoNested<Proto.BranchHistory>.self, to: &branches)
                case 128: rerunOf = try reader.value(ProtoUInt64.self)
                case 136: rerunFailed = try reader.value(ProtoBool.self)
                case 144: priority = try reader.value(ProtoSInt32.self)
                case 152: deliver = try reader.value(ProtoBool.self)
                case 160: deliverRequest = try reader.value(ProtoUInt32.self)
                case 170: deliverHost = try reader.value(ProtoString.self)
                case 178: try reader.append(ProtoNested<Proto.ActionSource>.self, to: &actions)
                case 184: untrusted = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, file)
            writer.field(ProtoString.self, 2, workflow)
            writer.field(ProtoString.self, 3, gatesFile)
            writer.field(ProtoString.self, 4, gates)
            writer.field(ProtoString.self, 5, eventName)
            writer.field(ProtoString.self, 6, eventJson)
            writer.map(ProtoString.self, ProtoString.self, 7, inputs)
            writer.map(ProtoString.self, ProtoString.self, 8, vars)
            writer.field(ProtoBytes.self, 9, tree)
            writer.field(ProtoString.self, 10, commit)
            writer.field(ProtoString.self, 11, branch)
            writer.field(ProtoBool.self, 12, dirty)
            writer.field(ProtoString.self, 13, key)
            writer.field(ProtoString.self, 14, repository)
            writer.repeated(ProtoNested<Proto.BranchHistory>.self, 15, branches)
            writer.field(ProtoUInt64.self, 16, rerunOf)
            writer.field(ProtoBool.self, 17, rerunFailed)
            writer.field(ProtoSInt32.self, 18, priority)
            writer.field(ProtoBool.self, 19, deliver)
            writer.field(ProtoUInt32.self, 20, deliverRequest)
            writer.field(ProtoString.self, 21, deliverHost)
            writer.repeated(ProtoNested<Proto.ActionSource>.self, 22, actions)
            writer.field(ProtoBool.self, 23, untrusted)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A repository at one commit, whose actions steps use.
    package struct ActionSource: ProtoMessage {
        package static let protoName = "sheaf.v1.ActionSource"

        /// `owner/name`.
        package var repository: String = ""
        /// 40 hexadecimal digits in lower case.
        package var commit: String = ""
        /// The manifest of its files, an object of the farm's.
        package var tree: [UInt8] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: repository = try reader.value(ProtoString.self)
                case 18: commit = try reader.value(ProtoString.self)
                case 26: tree = try reader.value(ProtoBytes.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, repository)
            writer.field(ProtoString.self, 2, commit)
            writer.field(ProtoBytes.self, 3, tree)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// What the coordinator stores of one thing that a code host is to hear about a run.
    package struct DeliveryOrder: ProtoMessage {
        package static let protoName = "sheaf.v1.DeliveryOrder"

        /// `github` or `gitlab`, and `owner/name` there.
        package var host: String = ""
        package var repository: String = ""
        /// `commit status`, `check run` or `comment`.
        package var step: String = ""
        package var commit: String = ""
        /// For a comment: where.
        package var request: UInt32 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: host = try reader.value(ProtoString.self)
                case 18: repository = try reader.value(ProtoString.self)
                case 26: step = try reader.value(ProtoString.self)
                case 34: commit = try reader.value(ProtoString.self)
                case 40: request = try reader.value(ProtoUInt32.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, host)
            writer.field(ProtoString.self, 2, repository)
            writer.field(ProtoString.self, 3, step)
            writer.field(ProtoString.self, 4, commit)
            writer.field(ProtoUInt32.self, 5, request)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Runs again what an ended run was submitted with, code and all. Only its owner and admins may.
    package struct RerunRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.RerunRequest"

        package var run: UInt64 = 0
        /// Only what had not settled well: the shards that passed are kept, with their reports and artifacts.
        package var failed: Bool = false
        /// As in SubmitRunRequest.
        package var key: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: run = try reader.value(ProtoUInt64.self)
                case 16: failed = try reader.value(ProtoBool.self)
                case 26: key = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt64.self, 1, run)
            writer.field(ProtoBool.self, 2, failed)
            writer.field(ProtoString.self, 3, key)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Where a branch and the submitted commit part.
    package struct BranchHistory: ProtoMessage {
        package static let protoName = "sheaf.v1.BranchHistory"

        package var name: String = ""
        /// Their merge base, then its ancestors, newest first; at most 1000. Empty where there is none.
        package var commits: [String] = []
        /// Why there is none, or why the list ends before the history does.
        package var problem: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: name = try reader.value(ProtoString.self)
                case 18: try reader.append(ProtoString.self, to: &commits)
                case 26: problem = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, name)
            writer.repeated(ProtoString.self, 2, commits)
            writer.field(ProtoString.self, 3, problem)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Sent once the run is committed; also the answer to RerunRequest.
    package struct SubmitRunResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.SubmitRunResponse"

        /// From 1.
        package var run: UInt64 = 0
        /// Mistakes in the workflow: then `run` is 0 and nothing was stored. Warnings may accompany a run.
        package var diagnostics: [Proto.Diagnostic] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: run = try reader.value(ProtoUInt64.self)
                case 18: try reader.append(ProtoNested<Proto.Diagnostic>.self, to: &diagnostics)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt64.self, 1, run)
            writer.repeated(ProtoNested<Proto.Diagnostic>.self, 2, diagnostics)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A mistake in a workflow, or a warning, with its place. From the coordinator.
    package struct Diagnostic: ProtoMessage {
        package static let protoName = "sheaf.v1.Diagnostic"

        /// `error`, `unsupported`, `warning`.
        package var severity: String = ""
        package var file: String = ""
        package var line: UInt32 = 0
        package var column: UInt32 = 0
        package var problem: String = ""
        package var suggestion: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: severity = try reader.value(ProtoString.self)
                case 18: file = try reader.value(ProtoString.self)
                case 24: line = try reader.value(ProtoUInt32.self)
                case 32: column = try reader.value(ProtoUInt32.self)
                case 42: problem = try reader.value(ProtoString.self)
                case 50: suggestion = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, severity)
            writer.field(ProtoString.self, 2, file)
            writer.field(ProtoUInt32.self, 3, line)
            writer.field(ProtoUInt32.self, 4, column)
            writer.field(ProtoString.self, 5, problem)
            writer.field(ProtoString.self, 6, suggestion)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From a person who may read the run.
    package struct WatchRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.WatchRequest"

        package var run: UInt64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: run = try reader.value(ProtoUInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt64.self, 1, run)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The run as it is now: sent at the start, at most ten times a second while something changes, and at the end.
    package struct WatchEvent: ProtoMessage {
        package static let protoName = "sheaf.v1.WatchEvent"

        package var summary: Proto.RunSummary?
        /// Cells that changed since the event before; all of them in the first.
        package var cells: [Proto.CellSummary] = []
        /// Lines worth showing to somebody who reads along: "r7/eval (3.11, torch)/2: lost_agent, trying again".
        package var notes: [String] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &summary)
                case 18: try reader.append(ProtoNested<Proto.CellSummary>.self, to: &cells)
                case 26: try reader.append(ProtoString.self, to: &notes)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.RunSummary>.self, 1, summary)
            writer.repeated(ProtoNested<Proto.CellSummary>.self, 2, cells)
            writer.repeated(ProtoString.self, 3, notes)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A run in numbers, as `sheaf status` shows it. From the coordinator.
    package struct RunSummary: ProtoMessage {
        package static let protoName = "sheaf.v1.RunSummary"

        package var run: UInt64 = 0
        package var name: String = ""
        package var file: String = ""
        /// `running`, `judging`, `ended`.
        package var state: String = ""
        /// Empty until the end: `pass`, `waived`, `inconclusive`, `incomplete`, `fail`.
        package var verdict: String = ""
        /// What `--wait` ends with: 0 passed, 1 did not, 3 the farm's fault.
        package var exitCode: UInt32 = 0
        /// Cells by state; `other` are those that did not run or are not needed.
        package var cellsWaiting: UInt32 = 0
        package var cellsRunning: UInt32 = 0
        package var cellsPassed: UInt32 = 0
        package var cellsFailed: UInt32 = 0
        package var cellsOther: UInt32 = 0
        package var shardsSettled: UInt64 = 0
        /// 0 while some cell's number of shards is unknown.
        package var shardsTotal: UInt64 = 0
        package var owner: String = ""
        package var team: String = ""
        /// Nanoseconds since 1970.
        package var submittedAt: Int64 = 0
        package var endedAt: Int64 = 0
        package var commit: String = ""
        /// As in `Plan`.
        package var title: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: run = try reader.value(ProtoUInt64.self)
                case 18: name = try reader.value(ProtoString.self)
                case 26: file = try reader.value(ProtoString.self)
                case 34: state = try reader.value(ProtoString.self)
                case 42: verdict = try reader.value(ProtoString.self)
                case 48: exitCode = try reader.value(ProtoUInt32.self)
                case 56: cellsWaiting = try reader.value(ProtoUInt32.self)
                case 64: cellsRunning = try reader.value(ProtoUInt32.self)
                case 72: cellsPassed = try reader.value(ProtoUInt32.self)
                case 80: cellsFailed = try reader.value(ProtoUInt32.self)
                case 88: cellsOther = try reader.value(ProtoUInt32.self)
                case 96: shardsSettled = try reader.value(ProtoUInt64.self)
                case 104: shardsTotal = try reader.value(ProtoUInt64.self)
                case 114: owner = try reader.value(ProtoString.self)
                case 122: team = try reader.value(ProtoString.self)
                case 128: submittedAt = try reader.value(ProtoInt64.self)
                case 136: endedAt = try reader.value(ProtoInt64.self)
                case 146: commit = try reader.value(ProtoString.self)
                case 154: title = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt64.self, 1, run)
            writer.field(ProtoString.self, 2, name)
            writer.field(ProtoString.self, 3, file)
            writer.field(ProtoString.self, 4, state)
            writer.field(ProtoString.self, 5, verdict)
            writer.field(ProtoUInt32.self, 6, exitCode)
            writer.field(ProtoUInt32.self, 7, cellsWaiting)
            writer.field(ProtoUInt32.self, 8, cellsRunning)
            writer.field(ProtoUInt32.self, 9, cellsPassed)
            writer.field(ProtoUInt32.self, 10, cellsFailed)
            writer.field(ProtoUInt32.self, 11, cellsOther)
            writer.field(ProtoUInt64.self, 12, shardsSettled)
            writer.field(ProtoUInt64.self, 13, shardsTotal)
            writer.field(ProtoString.self, 14, owner)
            writer.field(ProtoString.self, 15, team)
            writer.field(ProtoInt64.self, 16, submittedAt)
            writer.field(ProtoInt64.self, 17, endedAt)
            writer.field(ProtoString.self, 18, commit)
            writer.field(ProtoString.self, 19, title)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A cell in numbers, as progress shows it. From the coordinator.
    package struct CellSummary: ProtoMessage {
        package static let protoName = "sheaf.v1.CellSummary"

        /// Ids, then the name for people.
        package var job: String = ""
        package var cell: String = ""
        package var name: String = ""
        /// `waiting`, `running`, `passed`, `failed`, `cancelled`, `skipped`, `not_reached`, `not_needed`.
        package var state: String = ""
        package var shardsSettled: UInt32 = 0
        /// 0 while it is unknown.
        package var shardsTotal: UInt32 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: job = try reader.value(ProtoString.self)
                case 18: cell = try reader.value(ProtoString.self)
                case 26: name = try reader.value(ProtoString.self)
                case 34: state = try reader.value(ProtoString.self)
                case 40: shardsSettled = try reader.value(ProtoUInt32.self)
                case 48: shardsTotal = try reader.value(ProtoUInt32.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, job)
            writer.field(ProtoString.self, 2, cell)
            writer.field(ProtoString.self, 3, name)
            writer.field(ProtoString.self, 4, state)
            writer.field(ProtoUInt32.self, 5, shardsSettled)
            writer.field(ProtoUInt32.self, 6, shardsTotal)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From a person: the newest runs first, among those that one may read.
    package struct ListRunsRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.ListRunsRequest"

        /// 1 to 1000; what lies outside is taken for the nearest of them.
        package var most: UInt32 = 0
        /// Runs older than this one; 0 starts at the newest.
        package var before: UInt64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: most = try reader.value(ProtoUInt32.self)
                case 16: before = try reader.value(ProtoUInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt32.self, 1, most)
            writer.field(ProtoUInt64.self, 2, before)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// May hold fewer runs than were asked for although older ones exist: those that one may not read are left out.
    package struct ListRunsResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.ListRunsResponse"

        package var runs: [Proto.RunSummary] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.append(ProtoNested<Proto.RunSummary>.self, to: &runs)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.repeated(ProtoNested<Proto.RunSummary>.self, 1, runs)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From a person who may read the run: what attempts wrote, of a part of the run. Refused once its logs were dropped.
    package struct ReadLogRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.ReadLogRequest"

        package var run: UInt64 = 0
        /// Empty: every job, cell, shard. A job by its id, or by its position in the plan, from 0, in digits; a cell by its id or name,
        /// or by its position where the job is given by one.
        package var job: String = ""
        package var cell: String = ""
        package var shard: UInt32?
        /// Lines that come later are sent too, until the run has ended.
        package var follow: Bool = false
        package var attempt: UInt32?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: run = try reader.value(ProtoUInt64.self)
                case 18: job = try reader.value(ProtoString.self)
                case 26: cell = try reader.value(ProtoString.self)
                case 32: shard = try reader.value(ProtoUInt32.self)
                case 40: follow = try reader.value(ProtoBool.self)
                case 48: attempt = try reader.value(ProtoUInt32.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt64.self, 1, run)
            writer.field(ProtoString.self, 2, job)
            writer.field(ProtoString.self, 3, cell)
            writer.field(ProtoUInt32.self, 4, shard)
            writer.field(ProtoBool.self, 5, follow)
            writer.field(ProtoUInt32.self, 6, attempt)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A line of one attempt's log. Lines of one attempt come in order; attempts follow one another.
    package struct LogLine: ProtoMessage {
        package static let protoName = "sheaf.v1.LogLine"

        package var job: String = ""
        package var cell: String = ""
        /// −1 for the listing of the cell's items.
        package var shard: Int32 = 0
        package var attempt: UInt32 = 0
        /// `out`, `err`, or `sheaf` for what the agent itself says.
        package var stream: String = ""
        /// By the agent's clock, in nanoseconds since 1970; 0 when unknown.
        package var at: Int64 = 0
        /// Without its newline; bytes that are no UTF-8 were replaced by U+FFFD.
        package var text: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: job = try reader.value(ProtoString.self)
                case 18: cell = try reader.value(ProtoString.self)
                case 24: shard = try reader.value(ProtoInt32.self)
                case 32: attempt = try reader.value(ProtoUInt32.self)
                case 42: stream = try reader.value(ProtoString.self)
                case 48: at = try reader.value(ProtoInt64.self)
                case 58: text = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, job)
            writer.field(ProtoString.self, 2, cell)
            writer.field(ProtoInt32.self, 3, shard)
            writer.field(ProtoUInt32.self, 4, attempt)
            writer.field(ProtoString.self, 5, stream)
            writer.field(ProtoInt64.self, 6, at)
            writer.field(ProtoString.self, 7, text)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From the run's owner or an admin. `reason` is for the record, at most 1000 characters. With `force` also the jobs
    /// end whose `if` holds in a cancelled run, such as `always()`.
    package struct CancelRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.CancelRequest"

        package var run: UInt64 = 0
        package var reason: String = ""
        package var force: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: run = try reader.value(ProtoUInt64.self)
                case 18: reason = try reader.value(ProtoString.self)
                case 24: force = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt64.self, 1, run)
            writer.field(ProtoString.self, 2, reason)
            writer.field(ProtoBool.self, 3, force)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Sent once it is decided: attempts that run are told to end, and may take their grace to do so.
    package struct CancelResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.CancelResponse"

        package var summary: Proto.RunSummary?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &summary)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.RunSummary>.self, 1, summary)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From a person who may read the run: why this part of it waits, failed, or was tried again. `job`, `cell` and `shard`
    /// are as in ReadLogRequest.
    package struct ExplainRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.ExplainRequest"

        package var run: UInt64 = 0
        /// The part of the run, as in ReadLogRequest.
        package var job: String = ""
        package var cell: String = ""
        package var shard: UInt32?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: run = try reader.value(ProtoUInt64.self)
                case 18: job = try reader.value(ProtoString.self)
                case 26: cell = try reader.value(ProtoString.self)
                case 32: shard = try reader.value(ProtoUInt32.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt64.self, 1, run)
            writer.field(ProtoString.self, 2, job)
            writer.field(ProtoString.self, 3, cell)
            writer.field(ProtoUInt32.self, 4, shard)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Sentences for people, one a line, in the order of what happened.
    package struct ExplainResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.ExplainResponse"

        package var lines: [String] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.append(ProtoString.self, to: &lines)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.repeated(ProtoString.self, 1, lines)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From a person who may read the run: its report or its results.
    package struct RenderRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.RenderRequest"

        package var run: UInt64 = 0
        /// `text` (the default), `markdown`, `junit`, `html`, `json`, `sarif`, `svg`; `export` for the raw results; `compare`,
        /// `compare-markdown` or `compare-json` for the difference to another run.
        package var format: String = ""
        /// For `text` alone: escape sequences, and how wide the reader's terminal is; 0: unknown.
        package var color: Bool = false
        package var columns: UInt32 = 0
        /// For `compare…`: the run that `run` is compared with, which one must be allowed to read, too.
        package var against: UInt64 = 0
        /// What an hour costs, for reports: `{"currency": "EUR", "cpu_hour": 0.04, "gpu_hour": {"NVIDIA H100": 2.5, "*": 1}}`.
        package var rates: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: run = try reader.value(ProtoUInt64.self)
                case 18: format = try reader.value(ProtoString.self)
                case 24: color = try reader.value(ProtoBool.self)
                case 32: columns = try reader.value(ProtoUInt32.self)
                case 40: against = try reader.value(ProtoUInt64.self)
                case 50: rates = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt64.self, 1, run)
            writer.field(ProtoString.self, 2, format)
            writer.field(ProtoBool.self, 3, color)
            writer.field(ProtoUInt32.self, 4, columns)
            writer.field(ProtoUInt64.self, 5, against)
            writer.field(ProtoString.self, 6, rates)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A part of some bytes, in order.
    package struct Bytes: ProtoMessage {
        package static let protoName = "sheaf.v1.Bytes"

        package var bytes: [UInt8] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: bytes = try reader.value(ProtoBytes.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoBytes.self, 1, bytes)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From a person who may read the run.
    package struct ListArtifactsRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.ListArtifactsRequest"

        package var run: UInt64 = 0
        /// The part of the run, as in ReadLogRequest.
        package var job: String = ""
        package var cell: String = ""
        package var shard: UInt32?
        package var attempt: UInt32?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: run = try reader.value(ProtoUInt64.self)
                case 18: job = try reader.value(ProtoString.self)
                case 26: cell = try reader.value(ProtoString.self)
                case 32: shard = try reader.value(ProtoUInt32.self)
                case 40: attempt = try reader.value(ProtoUInt32.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt64.self, 1, run)
            writer.field(ProtoString.self, 2, job)
            writer.field(ProtoString.self, 3, cell)
            writer.field(ProtoUInt32.self, 4, shard)
            writer.field(ProtoUInt32.self, 5, attempt)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// What the attempts that decided their shards left behind, in the order of jobs, cells and shards.
    package struct ListArtifactsResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.ListArtifactsResponse"

        package var artifacts: [Proto.RunArtifact] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.append(ProtoNested<Proto.RunArtifact>.self, to: &artifacts)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.repeated(ProtoNested<Proto.RunArtifact>.self, 1, artifacts)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// An artifact with its place in a run.
    package struct RunArtifact: ProtoMessage {
        package static let protoName = "sheaf.v1.RunArtifact"

        package var job: String = ""
        package var cell: String = ""
        package var shard: Int32 = 0
        package var attempt: UInt32 = 0
        package var artifact: Proto.Artifact?
        package var shardCount: UInt32 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: job = try reader.value(ProtoString.self)
                case 18: cell = try reader.value(ProtoString.self)
                case 24: shard = try reader.value(ProtoInt32.self)
                case 32: attempt = try reader.value(ProtoUInt32.self)
                case 42: try reader.merge(into: &artifact)
                case 48: shardCount = try reader.value(ProtoUInt32.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, job)
            writer.field(ProtoString.self, 2, cell)
            writer.field(ProtoInt32.self, 3, shard)
            writer.field(ProtoUInt32.self, 4, attempt)
            writer.field(ProtoNested<Proto.Artifact>.self, 5, artifact)
            writer.field(ProtoUInt32.self, 6, shardCount)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From a person who may read the run, which must have ended with `pass` or `waived`, or else `because` says why it is one
    /// all the same: at most 1000 characters, kept in the audit log. `alias` has 1 to 64 of the characters A-Z, a-z, 0-9, `.`,
    /// `_` and `-`. One that names a run which the person may not read stays.
    package struct SetBaselineRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.SetBaselineRequest"

        package var alias: String = ""
        package var run: UInt64 = 0
        package var because: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: alias = try reader.value(ProtoString.self)
                case 16: run = try reader.value(ProtoUInt64.self)
                case 26: because = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, alias)
            writer.field(ProtoUInt64.self, 2, run)
            writer.field(ProtoString.self, 3, because)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From a person. An empty `alias` asks for all.
    package struct ShowBaselineRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.ShowBaselineRequest"

        package var alias: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: alias = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, alias)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The baselines that were asked for.
    package struct ShowBaselineResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.ShowBaselineResponse"

        package var baselines: [Proto.Baseline] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.append(ProtoNested<Proto.Baseline>.self, to: &baselines)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.repeated(ProtoNested<Proto.Baseline>.self, 1, baselines)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A name for a run that gates compare with. `set_by` names the role and the person; `set_at` is in nanoseconds since
    /// 1970.
    package struct Baseline: ProtoMessage {
        package static let protoName = "sheaf.v1.Baseline"

        package var alias: String = ""
        package var run: UInt64 = 0
        package var setBy: String = ""
        package var setAt: Int64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: alias = try reader.value(ProtoString.self)
                case 16: run = try reader.value(ProtoUInt64.self)
                case 26: setBy = try reader.value(ProtoString.self)
                case 32: setAt = try reader.value(ProtoInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, alias)
            writer.field(ProtoUInt64.self, 2, run)
            writer.field(ProtoString.self, 3, setBy)
            writer.field(ProtoInt64.self, 4, setAt)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From a person.
    package struct ListAgentsRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.ListAgentsRequest"

        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// All agents that ever joined, by name.
    package struct ListAgentsResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.ListAgentsResponse"

        package var agents: [Proto.AgentSummary] = []
        /// All that there are, by name.
        package var pools: [Proto.Pool] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.append(ProtoNested<Proto.AgentSummary>.self, to: &agents)
                case 18: try reader.append(ProtoNested<Proto.Pool>.self, to: &pools)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.repeated(ProtoNested<Proto.AgentSummary>.self, 1, agents)
            writer.repeated(ProtoNested<Proto.Pool>.self, 2, pools)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// An agent as `sheaf agents` shows it. From the coordinator.
    package struct AgentSummary: ProtoMessage {
        package static let protoName = "sheaf.v1.AgentSummary"

        package var name: String = ""
        package var team: String = ""
        /// `online`, `draining`, `drained` (it left after that), `lost`, `revoked`, `quarantined`.
        package var state: String = ""
        package var capacity: Proto.Capacity?
        /// How many attempts.
        package var running: UInt32 = 0
        /// Nanoseconds since 1970.
        package var lastHeardAt: Int64 = 0
        package var software: String = ""
        /// Why it is drained, revoked or kept from work.
        package var remark: String = ""
        /// The pool that it belongs to, and whether that takes untrusted runs.
        package var pool: Proto.Pool?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: name = try reader.value(ProtoString.self)
                case 18: team = try reader.value(ProtoString.self)
                case 26: state = try reader.value(ProtoString.self)
                case 34: try reader.merge(into: &capacity)
                case 40: running = try reader.value(ProtoUInt32.self)
                case 48: lastHeardAt = try reader.value(ProtoInt64.self)
                case 58: software = try reader.value(ProtoString.self)
                case 66: remark = try reader.value(ProtoString.self)
                case 74: try reader.merge(into: &pool)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, name)
            writer.field(ProtoString.self, 2, team)
            writer.field(ProtoString.self, 3, state)
            writer.field(ProtoNested<Proto.Capacity>.self, 4, capacity)
            writer.field(ProtoUInt32.self, 5, running)
            writer.field(ProtoInt64.self, 6, lastHeardAt)
            writer.field(ProtoString.self, 7, software)
            writer.field(ProtoString.self, 8, remark)
            writer.field(ProtoNested<Proto.Pool>.self, 9, pool)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A group of agents, with whose code they take.
    package struct Pool: ProtoMessage {
        package static let protoName = "sheaf.v1.Pool"

        /// 1 to 64 characters of A-Z, a-z, 0-9, `.`, `_` and `-`.
        package var name: String = ""
        package var allowUntrusted: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: name = try reader.value(ProtoString.self)
                case 16: allowUntrusted = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, name)
            writer.field(ProtoBool.self, 2, allowUntrusted)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From an admin: makes a pool, or changes what it takes. Attempts that go on are not ended by it. Sent back once it is
    /// committed.
    package struct SetPoolRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.SetPoolRequest"

        package var pool: Proto.Pool?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &pool)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.Pool>.self, 1, pool)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    package struct SetPoolResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.SetPoolResponse"

        package var pool: Proto.Pool?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &pool)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.Pool>.self, 1, pool)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From an admin: the agent belongs to that pool from now on. Sent back once it is committed.
    package struct MoveAgentRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.MoveAgentRequest"

        package var name: String = ""
        package var pool: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: name = try reader.value(ProtoString.self)
                case 18: pool = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, name)
            writer.field(ProtoString.self, 2, pool)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    package struct MoveAgentResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.MoveAgentResponse"

        package var agent: Proto.AgentSummary?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &agent)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.AgentSummary>.self, 1, agent)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From an admin: no new attempts for this agent, until another request with `undo`, which also ends a quarantine.
    /// `reason` has at most 1000 characters.
    package struct DrainAgentRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.DrainAgentRequest"

        package var name: String = ""
        package var undo: Bool = false
        package var reason: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: name = try reader.value(ProtoString.self)
                case 16: undo = try reader.value(ProtoBool.self)
                case 26: reason = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, name)
            writer.field(ProtoBool.self, 2, undo)
            writer.field(ProtoString.self, 3, reason)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Sent once it is committed.
    package struct DrainAgentResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.DrainAgentResponse"

        package var agent: Proto.AgentSummary?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &agent)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.AgentSummary>.self, 1, agent)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From an admin: a token that is good for one enrolment. An agent that has a valid certificate gets none.
    package struct CreateTokenRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.CreateTokenRequest"

        /// `user`, `agent`, `admin`.
        package var role: String = ""
        /// 1 to 64 of the characters A-Z, a-z, 0-9, `.`, `_` and `-`; the team too, which may be empty.
        package var name: String = ""
        package var team: String = ""
        /// Seconds until it expires; 0 means one hour; at most 30 days.
        package var validS: UInt32 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: role = try reader.value(ProtoString.self)
                case 18: name = try reader.value(ProtoString.self)
                case 26: team = try reader.value(ProtoString.self)
                case 32: validS = try reader.value(ProtoUInt32.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, role)
            writer.field(ProtoString.self, 2, name)
            writer.field(ProtoString.self, 3, team)
            writer.field(ProtoUInt32.self, 4, validS)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The whole token file: a person or an agent enrols with it and nothing else. The farm keeps the secret's hash alone.
    /// `expires_at` is in nanoseconds since 1970.
    package struct CreateTokenResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.CreateTokenResponse"

        package var tokenFile: String = ""
        package var expiresAt: Int64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: tokenFile = try reader.value(ProtoString.self)
                case 16: expiresAt = try reader.value(ProtoInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, tokenFile)
            writer.field(ProtoInt64.self, 2, expiresAt)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From an admin: takes away all valid certificates of a bearer.
    package struct RevokeRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.RevokeRequest"

        /// `user`, `agent`, `admin`.
        package var role: String = ""
        package var name: String = ""
        package var reason: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: role = try reader.value(ProtoString.self)
                case 18: name = try reader.value(ProtoString.self)
                case 26: reason = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, role)
            writer.field(ProtoString.self, 2, name)
            writer.field(ProtoString.self, 3, reason)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// How many were taken away.
    package struct RevokeResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.RevokeResponse"

        package var certificates: UInt32 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: certificates = try reader.value(ProtoUInt32.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt32.self, 1, certificates)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// What an agent says on its `Work` stream.
    package struct FromAgent: ProtoMessage {
        package static let protoName = "sheaf.v1.FromAgent"

        package enum Kind: Sendable, Equatable {
            case joined(Proto.AgentJoined)
            /// Sent several times within a lease; renews the leases of what it names.
            case heartbeat(Proto.Heartbeat)
            case started(Proto.AttemptStarted)
            /// The agent does not take this offer, and why; it costs no attempt.
            case declined(Proto.OfferDeclined)
            /// The attempt has its environment.
            case entered(Proto.EnvironmentEntered)
            case devices(Proto.DevicesLooked)
        }

        package var kind: Kind?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: var value = if case .joined(let present) = kind { present } else { Proto.AgentJoined() }; try reader.merge(into: &value); kind = .joined(value)
                case 18: var value = if case .heartbeat(let present) = kind { present } else { Proto.Heartbeat() }; try reader.merge(into: &value); kind = .heartbeat(value)
                case 26: var value = if case .started(let present) = kind { present } else { Proto.AttemptStarted() }; try reader.merge(into: &value); kind = .started(value)
                case 34: var value = if case .declined(let present) = kind { present } else { Proto.OfferDeclined() }; try reader.merge(into: &value); kind = .declined(value)
                case 42: var value = if case .entered(let present) = kind { present } else { Proto.EnvironmentEntered() }; try reader.merge(into: &value); kind = .entered(value)
                case 50: var value = if case .devices(let present) = kind { present } else { Proto.DevicesLooked() }; try reader.merge(into: &value); kind = .devices(value)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            if case .joined(let value) = kind { writer.always(ProtoNested<Proto.AgentJoined>.self, 1, value) }
            if case .heartbeat(let value) = kind { writer.always(ProtoNested<Proto.Heartbeat>.self, 2, value) }
            if case .started(let value) = kind { writer.always(ProtoNested<Proto.AttemptStarted>.self, 3, value) }
            if case .declined(let value) = kind { writer.always(ProtoNested<Proto.OfferDeclined>.self, 4, value) }
            if case .entered(let value) = kind { writer.always(ProtoNested<Proto.EnvironmentEntered>.self, 5, value) }
            if case .devices(let value) = kind { writer.always(ProtoNested<Proto.DevicesLooked>.self, 6, value) }
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The agent's first message on its `Work` stream: what it offers and what it holds. Its name and team are those of its
    /// certificate. A later connection of the same name ends the earlier one.
    package struct AgentJoined: ProtoMessage {
        package static let protoName = "sheaf.v1.AgentJoined"

        package var capacity: Proto.Capacity?
        /// Attempts that the agent still works on or whose reports it still keeps.
        package var holds: [Proto.AttemptRef] = []
        package var software: String = ""
        /// Changes at each start of the agent's process.
        package var incarnation: String = ""
        /// Digests of what it keeps and shards may need: the locks of environments that it has built, the manifests of code trees;
        /// the last used first, and of each kind at most 64. Shards come to whoever keeps what they need, where several could take
        /// them.
        package var keeps: [[UInt8]] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &capacity)
                case 18: try reader.append(ProtoNested<Proto.AttemptRef>.self, to: &holds)
                case 26: software = try reader.value(ProtoString.self)
                case 34: incarnation = try reader.value(ProtoString.self)
                case 42: try reader.append(ProtoBytes.self, to: &keeps)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.Capacity>.self, 1, capacity)
            writer.repeated(ProtoNested<Proto.AttemptRef>.self, 2, holds)
            writer.field(ProtoString.self, 3, software)
            writer.field(ProtoString.self, 4, incarnation)
            writer.repeated(ProtoBytes.self, 5, keeps)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The attempt's environment is built, or was found: the digest of its lock, which `AttemptReport.environment_lock` names too.
    package struct EnvironmentEntered: ProtoMessage {
        package static let protoName = "sheaf.v1.EnvironmentEntered"

        package var attempt: Proto.AttemptRef?
        package var lock: [UInt8] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &attempt)
                case 18: lock = try reader.value(ProtoBytes.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.AttemptRef>.self, 1, attempt)
            writer.field(ProtoBytes.self, 2, lock)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Which of the agent's GPUs are not fit for an attempt; all others are. Said when that changes, and after `AgentJoined` where
    /// some are not.
    package struct DevicesLooked: ProtoMessage {
        package static let protoName = "sheaf.v1.DevicesLooked"

        package var unfit: [Proto.UnfitDevice] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.append(ProtoNested<Proto.UnfitDevice>.self, to: &unfit)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.repeated(ProtoNested<Proto.UnfitDevice>.self, 1, unfit)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A GPU that somebody else still has, or whose memory is broken. `reason` is shown by `agents` and `explain`, at most 300
    /// characters of it.
    package struct UnfitDevice: ProtoMessage {
        package static let protoName = "sheaf.v1.UnfitDevice"

        package var uuid: String = ""
        package var reason: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: uuid = try reader.value(ProtoString.self)
                case 18: reason = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, uuid)
            writer.field(ProtoString.self, 2, reason)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The agent lives, and works on these attempts. One every `Welcome.heartbeat_every_ms`.
    package struct Heartbeat: ProtoMessage {
        package static let protoName = "sheaf.v1.Heartbeat"

        package var running: [Proto.AttemptRef] = []
        /// Free bytes on the agent's disk.
        package var diskFree: Int64 = 0
        /// From 1, never the same twice; 0 from an agent that does not count.
        package var number: UInt64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.append(ProtoNested<Proto.AttemptRef>.self, to: &running)
                case 16: diskFree = try reader.value(ProtoInt64.self)
                case 24: number = try reader.value(ProtoUInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.repeated(ProtoNested<Proto.AttemptRef>.self, 1, running)
            writer.field(ProtoInt64.self, 2, diskFree)
            writer.field(ProtoUInt64.self, 3, number)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The agent has begun to work on an offer. `at` is its clock, in nanoseconds since 1970.
    package struct AttemptStarted: ProtoMessage {
        package static let protoName = "sheaf.v1.AttemptStarted"

        package var attempt: Proto.AttemptRef?
        package var at: Int64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &attempt)
                case 16: at = try reader.value(ProtoInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.AttemptRef>.self, 1, attempt)
            writer.field(ProtoInt64.self, 2, at)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The agent has no room for an offer, or is ending. `reason` is shown by `explain`, at most 1000 characters of it.
    package struct OfferDeclined: ProtoMessage {
        package static let protoName = "sheaf.v1.OfferDeclined"

        package var attempt: Proto.AttemptRef?
        package var reason: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &attempt)
                case 18: reason = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.AttemptRef>.self, 1, attempt)
            writer.field(ProtoString.self, 2, reason)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// What the coordinator says on an agent's `Work` stream.
    package struct ToAgent: ProtoMessage {
        package static let protoName = "sheaf.v1.ToAgent"

        package enum Kind: Sendable, Equatable {
            case welcome(Proto.Welcome)
            case offer(Proto.Offer)
            case cancel(Proto.CancelAttempt)
            /// The agent may forget the attempt: it is settled, or another attempt took its place.
            case forget(Proto.ForgetAttempt)
            case renewed(Proto.LeaseRenewed)
            /// The agent gets no more offers and ends when its last attempt has ended.
            case drain(Proto.Drain)
            case recall(Proto.RecallOffer)
        }

        package var kind: Kind?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: var value = if case .welcome(let present) = kind { present } else { Proto.Welcome() }; try reader.merge(into: &value); kind = .welcome(value)
                case 18: var value = if case .offer(let present) = kind { present } else { Proto.Offer() }; try reader.merge(into: &value); kind = .offer(value)
                case 26: var value = if case .cancel(let present) = kind { present } else { Proto.CancelAttempt() }; try reader.merge(into: &value); kind = .cancel(value)
                case 34: var value = if case .forget(let present) = kind { present } else { Proto.ForgetAttempt() }; try reader.merge(into: &value); kind = .forget(value)
                case 42: var value = if case .renewed(let present) = kind { present } else { Proto.LeaseRenewed() }; try reader.merge(into: &value); kind = .renewed(value)
                case 50: var value = if case .drain(let present) = kind { present } else { Proto.Drain() }; try reader.merge(into: &value); kind = .drain(value)
                case 58: var value = if case .recall(let present) = kind { present } else { Proto.RecallOffer() }; try reader.merge(into: &value); kind = .recall(value)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            if case .welcome(let value) = kind { writer.always(ProtoNested<Proto.Welcome>.self, 1, value) }
            if case .offer(let value) = kind { writer.always(ProtoNested<Proto.Offer>.self, 2, value) }
            if case .cancel(let value) = kind { writer.always(ProtoNested<Proto.CancelAttempt>.self, 3, value) }
            if case .forget(let value) = kind { writer.always(ProtoNested<Proto.ForgetAttempt>.self, 4, value) }
            if case .renewed(let value) = kind { writer.always(ProtoNested<Proto.LeaseRenewed>.self, 5, value) }
            if case .drain(let value) = kind { writer.always(ProtoNested<Proto.Drain>.self, 6, value) }
            if case .recall(let value) = kind { writer.always(ProtoNested<Proto.RecallOffer>.self, 7, value) }
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The coordinator's first message: what it expects of the agent.
    package struct Welcome: ProtoMessage {
        package static let protoName = "sheaf.v1.Welcome"

        package var heartbeatEveryMs: UInt32 = 0
        /// An agent that heard nothing for so long after its last renewal stops its attempts.
        package var leaseMs: UInt32 = 0
        /// Every heartbeat that has a number is answered, also one that names no attempts.
        package var answersHeartbeats: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: heartbeatEveryMs = try reader.value(ProtoUInt32.self)
                case 16: leaseMs = try reader.value(ProtoUInt32.self)
                case 24: answersHeartbeats = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt32.self, 1, heartbeatEveryMs)
            writer.field(ProtoUInt32.self, 2, leaseMs)
            writer.field(ProtoBool.self, 3, answersHeartbeats)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A lease: the agent starts the attempt, or declines it.
    package struct Offer: ProtoMessage {
        package static let protoName = "sheaf.v1.Offer"

        package var assignment: Proto.Assignment?
        /// How long the lease holds from the moment that this leaves the coordinator, unless renewed.
        package var leaseMs: UInt32 = 0
        /// Begins when this attempt of the same agent has ended, and has then what that one had; at once if the agent does not work
        /// on it any more. Only to agents that take such offers: see `Capacity.takes_ahead`.
        package var behind: Proto.AttemptRef?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &assignment)
                case 16: leaseMs = try reader.value(ProtoUInt32.self)
                case 26: try reader.merge(into: &behind)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.Assignment>.self, 1, assignment)
            writer.field(ProtoUInt32.self, 2, leaseMs)
            writer.field(ProtoNested<Proto.AttemptRef>.self, 3, behind)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The agent gives an offer back that waits behind an attempt: it declines it. Too late once the attempt has begun.
    package struct RecallOffer: ProtoMessage {
        package static let protoName = "sheaf.v1.RecallOffer"

        package var attempt: Proto.AttemptRef?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &attempt)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.AttemptRef>.self, 1, attempt)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The agent ends the attempt, TERM and after its grace KILL, and reports what came of it.
    package struct CancelAttempt: ProtoMessage {
        package static let protoName = "sheaf.v1.CancelAttempt"

        package var attempt: Proto.AttemptRef?
        package var reason: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &attempt)
                case 18: reason = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.AttemptRef>.self, 1, attempt)
            writer.field(ProtoString.self, 2, reason)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Nobody waits for a report of the attempt any more. What still runs of it is ended.
    package struct ForgetAttempt: ProtoMessage {
        package static let protoName = "sheaf.v1.ForgetAttempt"

        package var attempt: Proto.AttemptRef?
        package var reason: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &attempt)
                case 18: reason = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.AttemptRef>.self, 1, attempt)
            writer.field(ProtoString.self, 2, reason)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The farm heard a heartbeat. The leases of these attempts hold for `lease_ms` more, counted from when the agent sent
    /// it.
    package struct LeaseRenewed: ProtoMessage {
        package static let protoName = "sheaf.v1.LeaseRenewed"

        package var attempts: [Proto.AttemptRef] = []
        package var leaseMs: UInt32 = 0
        /// The heartbeat that this answers; 0 when that had no number.
        package var number: UInt64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.append(ProtoNested<Proto.AttemptRef>.self, to: &attempts)
                case 16: leaseMs = try reader.value(ProtoUInt32.self)
                case 24: number = try reader.value(ProtoUInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.repeated(ProtoNested<Proto.AttemptRef>.self, 1, attempts)
            writer.field(ProtoUInt32.self, 2, leaseMs)
            writer.field(ProtoUInt64.self, 3, number)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// An admin drained the agent, or with `undo` took that back. Repeated when it joins, as long as it holds.
    package struct Drain: ProtoMessage {
        package static let protoName = "sheaf.v1.Drain"

        package var reason: String = ""
        package var undo: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: reason = try reader.value(ProtoString.self)
                case 16: undo = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, reason)
            writer.field(ProtoBool.self, 2, undo)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// One try at one shard. `shard` is −1 for the listing of a cell's items.
    package struct AttemptRef: ProtoMessage {
        package static let protoName = "sheaf.v1.AttemptRef"

        /// From 1.
        package var run: UInt64 = 0
        /// Positions in the run's plan, from 0.
        package var job: UInt32 = 0
        package var cell: UInt32 = 0
        package var shard: Int32 = 0
        /// From 1 for each shard.
        package var attempt: UInt32 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: run = try reader.value(ProtoUInt64.self)
                case 16: job = try reader.value(ProtoUInt32.self)
                case 24: cell = try reader.value(ProtoUInt32.self)
                case 32: shard = try reader.value(ProtoSInt32.self)
                case 40: attempt = try reader.value(ProtoUInt32.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt64.self, 1, run)
            writer.field(ProtoUInt32.self, 2, job)
            writer.field(ProtoUInt32.self, 3, cell)
            writer.field(ProtoSInt32.self, 4, shard)
            writer.field(ProtoUInt32.self, 5, attempt)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Everything an agent needs to work on an attempt.
    package struct Assignment: ProtoMessage {
        package static let protoName = "sheaf.v1.Assignment"

        package var attempt: Proto.AttemptRef?
        /// Ids and the name for people, as in PlannedJob and PlannedCell.
        package var jobId: String = ""
        package var cellId: String = ""
        package var cellName: String = ""
        package var shardCount: UInt32 = 0
        package var work: Proto.JobWork?
        /// The contexts github, inputs, vars, needs, strategy and matrix, as one JSON object.
        package var contextsJson: String = ""
        /// The manifest of the code tree, for checkout.
        package var tree: [UInt8] = []
        /// What was leased.
        package var resources: Proto.Resources?
        /// The devices leased to this attempt.
        package var gpuUuids: [String] = []
        /// Of the whole attempt, setup included.
        package var timeoutS: UInt32 = 0
        /// 0: no limit.
        package var idleTimeoutS: UInt32 = 0
        /// From TERM to KILL.
        package var graceS: UInt32 = 0
        /// What the work reads on the agent, which compared it with its manifest when it started.
        package var inputs: [Proto.HeldInput] = []
        /// The items of this shard: lines [first, first + count) of the listing.
        package var items: Proto.ItemSlice?
        /// For a listing: where the items come from.
        package var itemSource: Proto.ItemSource?
        /// The full version that setup-python resolves to is the agent's business; this is what was asked for.
        package var python: String = ""
        /// Artifacts of this run's needed jobs that download-artifact may ask for.
        package var artifacts: [Proto.RunArtifact] = []
        /// The run's code may be a stranger's: nothing that it builds serves trusted runs.
        package var untrusted: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &attempt)
                case 18: jobId = try reader.value(ProtoString.self)
                case 26: cellId = try reader.value(ProtoString.self)
                case 34: cellName = try reader.value(ProtoString.self)
                case 40: shardCount = try reader.value(ProtoUInt32.self)
                case 50: try reader.merge(into: &work)
                case 58: contextsJson = try reader.value(ProtoString.self)
                case 66: tree = try reader.value(ProtoBytes.self)
                case 74: try reader.merge(into: &resources)
                case 82: try reader.append(ProtoString.self, to: &gpuUuids)
                case 88: timeoutS = try reader.value(ProtoUInt32.self)
                case 96: idleTimeoutS = try reader.value(ProtoUInt32.self)
                case 104: graceS = try reader.value(ProtoUInt32.self)
                case 114: try reader.append(ProtoNested<Proto.HeldInput>.self, to: &inputs)
                case 122: try reader.merge(into: &items)
                case 130: try reader.merge(into: &itemSource)
                case 138: python = try reader.value(ProtoString.self)
                case 146: try reader.append(ProtoNested<Proto.RunArtifact>.self, to: &artifacts)
                case 152: untrusted = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.AttemptRef>.self, 1, attempt)
            writer.field(ProtoString.self, 2, jobId)
            writer.field(ProtoString.self, 3, cellId)
            writer.field(ProtoString.self, 4, cellName)
            writer.field(ProtoUInt32.self, 5, shardCount)
            writer.field(ProtoNested<Proto.JobWork>.self, 6, work)
            writer.field(ProtoString.self, 7, contextsJson)
            writer.field(ProtoBytes.self, 8, tree)
            writer.field(ProtoNested<Proto.Resources>.self, 9, resources)
            writer.repeated(ProtoString.self, 10, gpuUuids)
            writer.field(ProtoUInt32.self, 11, timeoutS)
            writer.field(ProtoUInt32.self, 12, idleTimeoutS)
            writer.field(ProtoUInt32.self, 13, graceS)
            writer.repeated(ProtoNested<Proto.HeldInput>.self, 14, inputs)
            writer.field(ProtoNested<Proto.ItemSlice>.self, 15, items)
            writer.field(ProtoNested<Proto.ItemSource>.self, 16, itemSource)
            writer.field(ProtoString.self, 17, python)
            writer.repeated(ProtoNested<Proto.RunArtifact>.self, 18, artifacts)
            writer.field(ProtoBool.self, 19, untrusted)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The part of a cell's items that belongs to one shard. Slices of a cell's shards are disjoint and cover the listing.
    package struct ItemSlice: ProtoMessage {
        package static let protoName = "sheaf.v1.ItemSlice"

        /// The listing: an object with one item per line.
        package var listing: Proto.ObjectRef?
        package var first: UInt32 = 0
        package var count: UInt32 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &listing)
                case 16: first = try reader.value(ProtoUInt32.self)
                case 24: count = try reader.value(ProtoUInt32.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.ObjectRef>.self, 1, listing)
            writer.field(ProtoUInt32.self, 2, first)
            writer.field(ProtoUInt32.self, 3, count)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Where a listing attempt finds the items of its cell. At most 10 000 000 items, each at most 1024 bytes.
    package struct ItemSource: ProtoMessage {
        package static let protoName = "sheaf.v1.ItemSource"

        package enum Kind: Sendable, Equatable {
            /// Below the code tree, one item per line.
            case file(String)
            /// A template; a line of its standard output is an item.
            case command(String)
            /// `pytest`.
            case collect(String)
        }

        package var kind: Kind?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: kind = .file(try reader.value(ProtoString.self))
                case 18: kind = .command(try reader.value(ProtoString.self))
                case 26: kind = .collect(try reader.value(ProtoString.self))
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            if case .file(let value) = kind { writer.always(ProtoString.self, 1, value) }
            if case .command(let value) = kind { writer.always(ProtoString.self, 2, value) }
            if case .collect(let value) = kind { writer.always(ProtoString.self, 3, value) }
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// What an attempt came to.
    package struct AttemptReport: ProtoMessage {
        package static let protoName = "sheaf.v1.AttemptReport"

        package var attempt: Proto.AttemptRef?
        /// A word of docs/glossary.md's causes: `passed`, `user_exit`, …
        package var cause: String = ""
        /// The exit code or the signal, where the cause has one.
        package var code: Int32?
        /// For people; at most 10 000 characters are kept.
        package var evidence: String = ""
        /// The metrics file and the items file as the steps wrote them; absent when they wrote none.
        package var metrics: Proto.ObjectRef?
        package var items: Proto.ObjectRef?
        /// The path that the workflow gave for metrics, for diagnostics.
        package var metricsPath: String = ""
        /// At most 1000.
        package var artifacts: [Proto.Artifact] = []
        /// The job's outputs; at most 1000, of 1 MiB together.
        package var outputs: [String: String] = [:]
        /// The environment's lock: packages, interpreter, driver, one per line.
        package var environmentLock: Proto.ObjectRef?
        /// What steps wrote to GITHUB_STEP_SUMMARY.
        package var summary: Proto.ObjectRef?
        /// For a listing: the items, one per line, and their number.
        package var listing: Proto.ObjectRef?
        package var listingCount: UInt32 = 0
        /// By the agent's clock, in nanoseconds since 1970.
        package var startedAt: Int64 = 0
        package var endedAt: Int64 = 0
        package var steps: [Proto.StepReport] = []
        package var usage: Proto.Usage?
        /// At most 1000.
        package var annotations: [Proto.Annotation] = []
        /// Whole length of the attempt's log in bytes, as the agent kept it.
        package var logBytes: UInt64 = 0
        /// The files of the job's metric sources, by source and path; none for a source that nothing matched.
        package var metricFiles: [Proto.MetricsFile] = []
        /// Written by the coordinator, never taken from an agent: where each shard's items end in the listing, which it has put
        /// in the order of shards. None: they are cut in equal numbers.
        package var shardEnds: [UInt32] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &attempt)
                case 18: cause = try reader.value(ProtoString.self)
                case 24: code = try reader.value(ProtoInt32.self)
                case 34: evidence = try reader.value(ProtoString.self)
                case 42: try reader.merge(into: &metrics)
                case 50: try reader.merge(into: &items)
                case 58: metricsPath = try reader.value(ProtoString.self)
                case 66: try reader.append(ProtoNested<Proto.Artifact>.self, to: &artifacts)
                case 74: try reader.entry(ProtoString.self, ProtoString.self, into: &outputs)
                case 82: try reader.merge(into: &environmentLock)
                case 90: try reader.merge(into: &summary)
                case 98: try reader.merge(into: &listing)
                case 104: listingCount = try reader.value(ProtoUInt32.self)
                case 112: startedAt = try reader.value(ProtoInt64.self)
                case 120: endedAt = try reader.value(ProtoInt64.self)
                case 130: try reader.append(ProtoNested<Proto.StepReport>.self, to: &steps)
                case 138: try reader.merge(into: &usage)
                case 146: try reader.append(ProtoNested<Proto.Annotation>.self, to: &annotations)
                case 152: logBytes = try reader.value(ProtoUInt64.self)
                case 162: try reader.append(ProtoNested<Proto.MetricsFile>.self, to: &metricFiles)
                case 168: try reader.append(ProtoUInt32.self, to: &shardEnds)
                case 170: try reader.appendPacked(ProtoUInt32.self, to: &shardEnds)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.AttemptRef>.self, 1, attempt)
            writer.field(ProtoString.self, 2, cause)
            writer.field(ProtoInt32.self, 3, code)
            writer.field(ProtoString.self, 4, evidence)
            writer.field(ProtoNested<Proto.ObjectRef>.self, 5, metrics)
            writer.field(ProtoNested<Proto.ObjectRef>.self, 6, items)
            writer.field(ProtoString.self, 7, metricsPath)
            writer.repeated(ProtoNested<Proto.Artifact>.self, 8, artifacts)
            writer.map(ProtoString.self, ProtoString.self, 9, outputs)
            writer.field(ProtoNested<Proto.ObjectRef>.self, 10, environmentLock)
            writer.field(ProtoNested<Proto.ObjectRef>.self, 11, summary)
            writer.field(ProtoNested<Proto.ObjectRef>.self, 12, listing)
            writer.field(ProtoUInt32.self, 13, listingCount)
            writer.field(ProtoInt64.self, 14, startedAt)
            writer.field(ProtoInt64.self, 15, endedAt)
            writer.repeated(ProtoNested<Proto.StepReport>.self, 16, steps)
            writer.field(ProtoNested<Proto.Usage>.self, 17, usage)
            writer.repeated(ProtoNested<Proto.Annotation>.self, 18, annotations)
            writer.field(ProtoUInt64.self, 19, logBytes)
            writer.repeated(ProtoNested<Proto.MetricsFile>.self, 20, metricFiles)
            writer.packed(ProtoUInt32.self, 21, shardEnds)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A file in which metrics stand as some tool writes them.
    package struct MetricsFile: ProtoMessage {
        package static let protoName = "sheaf.v1.MetricsFile"

        /// Place in `JobWork.metric_sources`.
        package var source: UInt32 = 0
        /// Below the workspace.
        package var path: String = ""
        package var object: Proto.ObjectRef?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: source = try reader.value(ProtoUInt32.self)
                case 18: path = try reader.value(ProtoString.self)
                case 26: try reader.merge(into: &object)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt32.self, 1, source)
            writer.field(ProtoString.self, 2, path)
            writer.field(ProtoNested<Proto.ObjectRef>.self, 3, object)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// How one step of an attempt ended, in the order in which they ran. At most 1010 in a report.
    package struct StepReport: ProtoMessage {
        package static let protoName = "sheaf.v1.StepReport"

        package var name: String = ""
        /// `success`, `failure`, `skipped`, `cancelled`: before continue-on-error, and after it.
        package var outcome: String = ""
        package var conclusion: String = ""
        package var startedAt: Int64 = 0
        package var endedAt: Int64 = 0
        package var exitCode: Int32?
        /// CPU time of all its processes; without cgroups, of those that it waited for.
        package var cpuNs: UInt64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: name = try reader.value(ProtoString.self)
                case 18: outcome = try reader.value(ProtoString.self)
                case 26: conclusion = try reader.value(ProtoString.self)
                case 32: startedAt = try reader.value(ProtoInt64.self)
                case 40: endedAt = try reader.value(ProtoInt64.self)
                case 48: exitCode = try reader.value(ProtoInt32.self)
                case 56: cpuNs = try reader.value(ProtoUInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, name)
            writer.field(ProtoString.self, 2, outcome)
            writer.field(ProtoString.self, 3, conclusion)
            writer.field(ProtoInt64.self, 4, startedAt)
            writer.field(ProtoInt64.self, 5, endedAt)
            writer.field(ProtoInt32.self, 6, exitCode)
            writer.field(ProtoUInt64.self, 7, cpuNs)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// What an attempt took. Zeros where the agent could not measure it.
    package struct Usage: ProtoMessage {
        package static let protoName = "sheaf.v1.Usage"

        package var peakMemoryBytes: UInt64 = 0
        package var cpuNs: UInt64 = 0
        /// By the clock: building the environment, or waiting for it; the steps; sending what they left.
        package var setupNs: UInt64 = 0
        package var runNs: UInt64 = 0
        package var uploadNs: UInt64 = 0
        /// True when the environment was there already.
        package var environmentHit: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: peakMemoryBytes = try reader.value(ProtoUInt64.self)
                case 16: cpuNs = try reader.value(ProtoUInt64.self)
                case 24: setupNs = try reader.value(ProtoUInt64.self)
                case 32: runNs = try reader.value(ProtoUInt64.self)
                case 40: uploadNs = try reader.value(ProtoUInt64.self)
                case 48: environmentHit = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt64.self, 1, peakMemoryBytes)
            writer.field(ProtoUInt64.self, 2, cpuNs)
            writer.field(ProtoUInt64.self, 3, setupNs)
            writer.field(ProtoUInt64.self, 4, runNs)
            writer.field(ProtoUInt64.self, 5, uploadNs)
            writer.field(ProtoBool.self, 6, environmentHit)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// An `::error::`, `::warning::` or `::notice::` of a step.
    package struct Annotation: ProtoMessage {
        package static let protoName = "sheaf.v1.Annotation"

        /// `error`, `warning`, `notice`.
        package var level: String = ""
        package var file: String = ""
        package var line: UInt32 = 0
        package var title: String = ""
        package var text: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: level = try reader.value(ProtoString.self)
                case 18: file = try reader.value(ProtoString.self)
                case 24: line = try reader.value(ProtoUInt32.self)
                case 34: title = try reader.value(ProtoString.self)
                case 42: text = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, level)
            writer.field(ProtoString.self, 2, file)
            writer.field(ProtoUInt32.self, 3, line)
            writer.field(ProtoString.self, 4, title)
            writer.field(ProtoString.self, 5, text)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The report is committed: the agent need not repeat it.
    package struct ReportStored: ProtoMessage {
        package static let protoName = "sheaf.v1.ReportStored"

        /// True when the report named the current attempt and counts.
        package var counted: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: counted = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoBool.self, 1, counted)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A part of an attempt's log: whole lines, each `<nanoseconds> <o|e|s> <text>\n`.
    package struct LogChunk: ProtoMessage {
        package static let protoName = "sheaf.v1.LogChunk"

        package var attempt: Proto.AttemptRef?
        /// Where in the log these bytes begin.
        package var offset: UInt64 = 0
        package var lines: [UInt8] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &attempt)
                case 16: offset = try reader.value(ProtoUInt64.self)
                case 26: lines = try reader.value(ProtoBytes.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.AttemptRef>.self, 1, attempt)
            writer.field(ProtoUInt64.self, 2, offset)
            writer.field(ProtoBytes.self, 3, lines)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The farm has the log up to here, in bytes. Where that is before the end of what was sent, the agent goes on from
    /// here.
    package struct LogStored: ProtoMessage {
        package static let protoName = "sheaf.v1.LogStored"

        package var offset: UInt64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: offset = try reader.value(ProtoUInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt64.self, 1, offset)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Some bytes by their SHA-256 digest, 32 bytes long.
    package struct ObjectRef: ProtoMessage {
        package static let protoName = "sheaf.v1.ObjectRef"

        package var digest: [UInt8] = []
        package var size: UInt64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: digest = try reader.value(ProtoBytes.self)
                case 16: size = try reader.value(ProtoUInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoBytes.self, 1, digest)
            writer.field(ProtoUInt64.self, 2, size)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// In whose name an object is put or asked for; it must allow it. Naming a digest alone grants nothing.
    package struct Scope: ProtoMessage {
        package static let protoName = "sheaf.v1.Scope"

        package enum Kind: Sendable, Equatable {
            /// An attempt that the agent holds.
            case attempt(Proto.AttemptRef)
            /// A run that the person may read.
            case run(UInt64)
            /// What the person is about to submit.
            case submission(Bool)
        }

        package var kind: Kind?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: var value = if case .attempt(let present) = kind { present } else { Proto.AttemptRef() }; try reader.merge(into: &value); kind = .attempt(value)
                case 16: kind = .run(try reader.value(ProtoUInt64.self))
                case 24: kind = .submission(try reader.value(ProtoBool.self))
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            if case .attempt(let value) = kind { writer.always(ProtoNested<Proto.AttemptRef>.self, 1, value) }
            if case .run(let value) = kind { writer.always(ProtoUInt64.self, 2, value) }
            if case .submission(let value) = kind { writer.always(ProtoBool.self, 3, value) }
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From whoever is about to put objects, so that only what the farm lacks travels. `scope` is an attempt or a
    /// submission.
    package struct MissingRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.MissingRequest"

        package var scope: Proto.Scope?
        /// At most 10 000.
        package var digests: [[UInt8]] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &scope)
                case 18: try reader.append(ProtoBytes.self, to: &digests)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.Scope>.self, 1, scope)
            writer.repeated(ProtoBytes.self, 2, digests)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Those of the digests that have to be put, in the order of the request.
    package struct MissingResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.MissingResponse"

        package var digests: [[UInt8]] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.append(ProtoBytes.self, to: &digests)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.repeated(ProtoBytes.self, 1, digests)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// One message of `Objects.Put`: the header comes first and once, then the bytes in order, in parts of any size.
    package struct PutPart: ProtoMessage {
        package static let protoName = "sheaf.v1.PutPart"

        package enum Kind: Sendable, Equatable {
            case header(Proto.PutHeader)
            case bytes([UInt8])
        }

        package var kind: Kind?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: var value = if case .header(let present) = kind { present } else { Proto.PutHeader() }; try reader.merge(into: &value); kind = .header(value)
                case 18: kind = .bytes(try reader.value(ProtoBytes.self))
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            if case .header(let value) = kind { writer.always(ProtoNested<Proto.PutHeader>.self, 1, value) }
            if case .bytes(let value) = kind { writer.always(ProtoBytes.self, 2, value) }
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Names the object that follows. The farm compares what comes with the digest and the size, and stores nothing that
    /// differs. An object has at most 1 GiB.
    package struct PutHeader: ProtoMessage {
        package static let protoName = "sheaf.v1.PutHeader"

        package var scope: Proto.Scope?
        package var object: Proto.ObjectRef?
        package var encoding: Proto.Encoding = Proto.Encoding(number: 0)
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &scope)
                case 18: try reader.merge(into: &object)
                case 24: encoding = try reader.value(ProtoOpen<Proto.Encoding>.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.Scope>.self, 1, scope)
            writer.field(ProtoNested<Proto.ObjectRef>.self, 2, object)
            writer.field(ProtoOpen<Proto.Encoding>.self, 3, encoding)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The object is stored and synced. `existed`: the farm had it already, from anybody.
    package struct PutResponse: ProtoMessage {
        package static let protoName = "sheaf.v1.PutResponse"

        package var existed: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: existed = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoBool.self, 1, existed)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// From an agent for an attempt that it holds, or from a person for a run that may be read: one object.
    package struct GetRequest: ProtoMessage {
        package static let protoName = "sheaf.v1.GetRequest"

        package var scope: Proto.Scope?
        /// What the scope grants: a tree, an artifact, a listing …
        package var root: [UInt8] = []
        /// … and the part of it that is asked for: a chunk named in the manifest `root`, or `root` itself.
        package var digest: [UInt8] = []
        /// Whether the answer may be a zstd frame. The first answer message's first byte is then the encoding's number.
        package var zstd: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.merge(into: &scope)
                case 18: root = try reader.value(ProtoBytes.self)
                case 26: digest = try reader.value(ProtoBytes.self)
                case 32: zstd = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoNested<Proto.Scope>.self, 1, scope)
            writer.field(ProtoBytes.self, 2, root)
            writer.field(ProtoBytes.self, 3, digest)
            writer.field(ProtoBool.self, 4, zstd)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// An artifact: a packed tree of files. `manifest` names it.
    package struct Artifact: ProtoMessage {
        package static let protoName = "sheaf.v1.Artifact"

        package var name: String = ""
        package var manifest: Proto.ObjectRef?
        /// Bytes of all files, and their number.
        package var contentBytes: UInt64 = 0
        package var files: UInt32 = 0
        /// What the step asked for; 0: nothing.
        package var retentionDays: UInt32 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: name = try reader.value(ProtoString.self)
                case 18: try reader.merge(into: &manifest)
                case 24: contentBytes = try reader.value(ProtoUInt64.self)
                case 32: files = try reader.value(ProtoUInt32.self)
                case 40: retentionDays = try reader.value(ProtoUInt32.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, name)
            writer.field(ProtoNested<Proto.ObjectRef>.self, 2, manifest)
            writer.field(ProtoUInt64.self, 3, contentBytes)
            writer.field(ProtoUInt32.self, 4, files)
            writer.field(ProtoUInt32.self, 5, retentionDays)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// What an artifact or a code tree is: files in path order, their contents joined and cut into chunks. Its canonical
    /// protobuf encoding (fields by number, no unknown ones) is what the digest is taken of.
    package struct Manifest: ProtoMessage {
        package static let protoName = "sheaf.v1.Manifest"

        package var files: [Proto.FileEntry] = []
        package var chunks: [Proto.ObjectRef] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.append(ProtoNested<Proto.FileEntry>.self, to: &files)
                case 18: try reader.append(ProtoNested<Proto.ObjectRef>.self, to: &chunks)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.repeated(ProtoNested<Proto.FileEntry>.self, 1, files)
            writer.repeated(ProtoNested<Proto.ObjectRef>.self, 2, chunks)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// One file, or symbolic link, of a tree. Folders are not named: an empty one does not travel.
    package struct FileEntry: ProtoMessage {
        package static let protoName = "sheaf.v1.FileEntry"

        /// Relative, `/` between parts, UTF-8, no empty part, no `.` and no `..`.
        package var path: String = ""
        package var size: UInt64 = 0
        package var executable: Bool = false
        /// For a symbolic link: what it points to, relative and inside the tree. Then size is 0.
        package var link: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: path = try reader.value(ProtoString.self)
                case 16: size = try reader.value(ProtoUInt64.self)
                case 24: executable = try reader.value(ProtoBool.self)
                case 34: link = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, path)
            writer.field(ProtoUInt64.self, 2, size)
            writer.field(ProtoBool.self, 3, executable)
            writer.field(ProtoString.self, 4, link)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A run's workflow, expanded: made and stored by the coordinator when the run is submitted. What only the outputs of
    /// other jobs settle is added as they end. Jobs and cells are named by their positions in it, from 0, everywhere.
    package struct Plan: ProtoMessage {
        package static let protoName = "sheaf.v1.Plan"

        package var name: String = ""
        /// The workflow file's path as the submitter gave it.
        package var file: String = ""
        package var jobs: [Proto.PlannedJob] = []
        package var gates: [Proto.GateRule] = []
        /// The share of harmless changes that the run may block, above 0 and below 1.
        package var falseBlockRate: Double = 0
        package var waivers: [Proto.Waiver] = []
        package var evaluators: [Proto.EvaluatorFile] = []
        /// What this run is about: `run-name`, else what its event says.
        package var title: String = ""
        /// The manifest of the code tree that its shards get; empty: there is none.
        package var tree: [UInt8] = []
        /// How long the run may take, from the moment that the farm has it; 0: as long as its jobs do.
        package var deadlineMs: UInt64 = 0
        /// Why the run's code may be a stranger's, in a sentence; empty: it is the owner's. Only agents of pools that allow it
        /// take it.
        package var untrusted: String = ""
        /// The workflow's inputs that were given another value than their default, `name=value`, sorted.
        package var givenInputs: [String] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: name = try reader.value(ProtoString.self)
                case 18: file = try reader.value(ProtoString.self)
                case 26: try reader.append(ProtoNested<Proto.PlannedJob>.self, to: &jobs)
                case 34: try reader.append(ProtoNested<Proto.GateRule>.self, to: &gates)
                case 41: falseBlockRate = try reader.value(ProtoDouble.self)
                case 50: try reader.append(ProtoNested<Proto.Waiver>.self, to: &waivers)
                case 58: try reader.append(ProtoNested<Proto.EvaluatorFile>.self, to: &evaluators)
                case 66: title = try reader.value(ProtoString.self)
                case 74: tree = try reader.value(ProtoBytes.self)
                case 80: deadlineMs = try reader.value(ProtoUInt64.self)
                case 90: untrusted = try reader.value(ProtoString.self)
                case 98: try reader.append(ProtoString.self, to: &givenInputs)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, name)
            writer.field(ProtoString.self, 2, file)
            writer.repeated(ProtoNested<Proto.PlannedJob>.self, 3, jobs)
            writer.repeated(ProtoNested<Proto.GateRule>.self, 4, gates)
            writer.field(ProtoDouble.self, 5, falseBlockRate)
            writer.repeated(ProtoNested<Proto.Waiver>.self, 6, waivers)
            writer.repeated(ProtoNested<Proto.EvaluatorFile>.self, 7, evaluators)
            writer.field(ProtoString.self, 8, title)
            writer.field(ProtoBytes.self, 9, tree)
            writer.field(ProtoUInt64.self, 10, deadlineMs)
            writer.field(ProtoString.self, 11, untrusted)
            writer.repeated(ProtoString.self, 12, givenInputs)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// What lists of runs show of a `Plan`, and what tells whether it can be a baseline: all else of its bytes is passed over.
    package struct PlanHead: ProtoMessage {
        package static let protoName = "sheaf.v1.PlanHead"

        package var title: String = ""
        package var untrusted: String = ""
        package var givenInputs: [String] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 66: title = try reader.value(ProtoString.self)
                case 90: untrusted = try reader.value(ProtoString.self)
                case 98: try reader.append(ProtoString.self, to: &givenInputs)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 8, title)
            writer.field(ProtoString.self, 11, untrusted)
            writer.repeated(ProtoString.self, 12, givenInputs)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A file that makes a measurement, and the digest of its bytes.
    package struct EvaluatorFile: ProtoMessage {
        package static let protoName = "sheaf.v1.EvaluatorFile"

        package var path: String = ""
        package var digest: [UInt8] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: path = try reader.value(ProtoString.self)
                case 18: digest = try reader.value(ProtoBytes.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, path)
            writer.field(ProtoBytes.self, 2, digest)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A person's word that something known does not hold a run up, until a day.
    package struct Waiver: ProtoMessage {
        package static let protoName = "sheaf.v1.Waiver"

        package enum Subject: Sendable, Equatable {
            /// A gate's groups.
            case gate(String)
            /// Quarantine: cells of this job.
            case job(String)
        }

        package var subject: Subject?
        /// Axis values as JSON; all groups or cells where it is empty.
        package var valuesJson: String = ""
        package var reason: String = ""
        package var author: String = ""
        /// `2026-12-31`, in UTC.
        package var lastDay: String = ""
        package var file: String = ""
        package var line: UInt32 = 0
        package var column: UInt32 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: subject = .gate(try reader.value(ProtoString.self))
                case 18: subject = .job(try reader.value(ProtoString.self))
                case 26: valuesJson = try reader.value(ProtoString.self)
                case 34: reason = try reader.value(ProtoString.self)
                case 42: author = try reader.value(ProtoString.self)
                case 50: lastDay = try reader.value(ProtoString.self)
                case 58: file = try reader.value(ProtoString.self)
                case 64: line = try reader.value(ProtoUInt32.self)
                case 72: column = try reader.value(ProtoUInt32.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            if case .gate(let value) = subject { writer.always(ProtoString.self, 1, value) }
            if case .job(let value) = subject { writer.always(ProtoString.self, 2, value) }
            writer.field(ProtoString.self, 3, valuesJson)
            writer.field(ProtoString.self, 4, reason)
            writer.field(ProtoString.self, 5, author)
            writer.field(ProtoString.self, 6, lastDay)
            writer.field(ProtoString.self, 7, file)
            writer.field(ProtoUInt32.self, 8, line)
            writer.field(ProtoUInt32.self, 9, column)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A job of the plan. A job of a called workflow is one of its own.
    package struct PlannedJob: ProtoMessage {
        package static let protoName = "sheaf.v1.PlannedJob"

        package var id: String = ""
        package var name: String = ""
        /// Positions of the jobs that this one waits for.
        package var needs: [UInt32] = []
        /// Names of gates that must pass first.
        package var needsGates: [String] = []
        /// The text of `if`, an expression; absent: `success()`.
        package var condition: String?
        /// False while the matrix depends on outputs of jobs that have not ended; `cells` is empty then.
        package var cellsKnown: Bool = false
        package var cells: [Proto.PlannedCell] = []
        package var failFast: Bool = false
        /// The most cells with a leased shard at one time; absent: all.
        package var maxParallel: UInt32?
        package var shards: Proto.ShardPlan?
        package var retry: Proto.RetryPolicy?
        package var work: Proto.JobWork?
        /// What becomes of it when the run is cancelled: 0 it ends, 1 its `if` is asked once what it needs has ended, 2 it goes on.
        package var onCancel: UInt32 = 0
        /// Those of `needs` whose cells are waited for one by one.
        package var matched: [UInt32] = []
        /// Its shards may be worked on twice at one time.
        package var idempotent: Bool = false
        /// The calls that it is made by, the outermost first, where these have concurrency groups.
        package var calls: [UInt32] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: id = try reader.value(ProtoString.self)
                case 18: name = try reader.value(ProtoString.self)
                case 24: try reader.append(ProtoUInt32.self, to: &needs)
                case 26: try reader.appendPacked(ProtoUInt32.self, to: &needs)
                case 34: try reader.append(ProtoString.self, to: &needsGates)
                case 42: condition = try reader.value(ProtoString.self)
                case 48: cellsKnown = try reader.value(ProtoBool.self)
                case 58: try reader.append(ProtoNested<Proto.PlannedCell>.self, to: &cells)
                case 64: failFast = try reader.value(ProtoBool.self)
                case 72: maxParallel = try reader.value(ProtoUInt32.self)
                case 82: try reader.merge(into: &shards)
                case 90: try reader.merge(into: &retry)
                case 98: try reader.merge(into: &work)
                case 104: onCancel = try reader.value(ProtoUInt32.self)
                case 112: try reader.append(ProtoUInt32.self, to: &matched)
                case 114: try reader.appendPacked(ProtoUInt32.self, to: &matched)
                case 120: idempotent = try reader.value(ProtoBool.self)
                case 128: try reader.append(ProtoUInt32.self, to: &calls)
                case 130: try reader.appendPacked(ProtoUInt32.self, to: &calls)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, id)
            writer.field(ProtoString.self, 2, name)
            writer.packed(ProtoUInt32.self, 3, needs)
            writer.repeated(ProtoString.self, 4, needsGates)
            writer.field(ProtoString.self, 5, condition)
            writer.field(ProtoBool.self, 6, cellsKnown)
            writer.repeated(ProtoNested<Proto.PlannedCell>.self, 7, cells)
            writer.field(ProtoBool.self, 8, failFast)
            writer.field(ProtoUInt32.self, 9, maxParallel)
            writer.field(ProtoNested<Proto.ShardPlan>.self, 10, shards)
            writer.field(ProtoNested<Proto.RetryPolicy>.self, 11, retry)
            writer.field(ProtoNested<Proto.JobWork>.self, 12, work)
            writer.field(ProtoUInt32.self, 13, onCancel)
            writer.packed(ProtoUInt32.self, 14, matched)
            writer.field(ProtoBool.self, 15, idempotent)
            writer.packed(ProtoUInt32.self, 16, calls)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// One point of a job's matrix; a job without a matrix has one cell without values. Its expressions are evaluated
    /// already; what the work's texts hold is left to the agent.
    package struct PlannedCell: ProtoMessage {
        package static let protoName = "sheaf.v1.PlannedCell"

        /// Unique in its job, letters, digits, `_` and `-`; then the name for people.
        package var id: String = ""
        package var name: String = ""
        /// The matrix context, as JSON with its order kept.
        package var valuesJson: String = ""
        /// What an agent must have: `runs-on`, in lower case, after the farm's label table.
        package var labels: [String] = []
        /// What setup-python asks for: `3.11`.
        package var python: String?
        package var resources: Proto.Resources?
        /// Of one attempt; then how long one may be silent (absent: for ever), and how long a shard may wait for an agent.
        package var timeoutNs: UInt64 = 0
        package var idleTimeoutNs: UInt64?
        package var queueTimeoutNs: UInt64 = 0
        package var continueOnError: Bool = false
        /// False: named in the report, and neutral.
        package var required: Bool = false
        package var inputs: [Proto.HeldInput] = []
        /// Why it does not run, for people: its `if` was false, or its tier is another.
        package var skipped: String?
        package var needs: [Proto.CellNeed] = []
        /// The environment that it deploys to, by name.
        package var environment: String?
        /// What its longest shard took in an earlier run; 0: none is known.
        package var expectedNs: UInt64 = 0
        /// The digest of the lock that its environment had in an earlier run; empty: none is known.
        package var environmentLock: [UInt8] = []
        /// The concurrency group that it has to be let in by; empty: none. Then whether it ends whoever goes on in it.
        package var group: String = ""
        package var groupCancels: Bool = false
        /// Whether it waits behind those that wait.
        package var groupQueues: Bool = false
        /// The same of the calls that it is made by, the outermost first.
        package var callGroups: [Proto.CallGroup] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: id = try reader.value(ProtoString.self)
                case 18: name = try reader.value(ProtoString.self)
                case 26: valuesJson = try reader.value(ProtoString.self)
                case 34: try reader.append(ProtoString.self, to: &labels)
                case 42: python = try reader.value(ProtoString.self)
                case 50: try reader.merge(into: &resources)
                case 56: timeoutNs = try reader.value(ProtoUInt64.self)
                case 64: idleTimeoutNs = try reader.value(ProtoUInt64.self)
                case 72: queueTimeoutNs = try reader.value(ProtoUInt64.self)
                case 80: continueOnError = try reader.value(ProtoBool.self)
                case 88: required = try reader.value(ProtoBool.self)
                case 98: try reader.append(ProtoNested<Proto.HeldInput>.self, to: &inputs)
                case 106: skipped = try reader.value(ProtoString.self)
                case 114: try reader.append(ProtoNested<Proto.CellNeed>.self, to: &needs)
                case 122: environment = try reader.value(ProtoString.self)
                case 128: expectedNs = try reader.value(ProtoUInt64.self)
                case 138: environmentLock = try reader.value(ProtoBytes.self)
                case 146: group = try reader.value(ProtoString.self)
                case 152: groupCancels = try reader.value(ProtoBool.self)
                case 160: groupQueues = try reader.value(ProtoBool.self)
                case 170: try reader.append(ProtoNested<Proto.CallGroup>.self, to: &callGroups)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, id)
            writer.field(ProtoString.self, 2, name)
            writer.field(ProtoString.self, 3, valuesJson)
            writer.repeated(ProtoString.self, 4, labels)
            writer.field(ProtoString.self, 5, python)
            writer.field(ProtoNested<Proto.Resources>.self, 6, resources)
            writer.field(ProtoUInt64.self, 7, timeoutNs)
            writer.field(ProtoUInt64.self, 8, idleTimeoutNs)
            writer.field(ProtoUInt64.self, 9, queueTimeoutNs)
            writer.field(ProtoBool.self, 10, continueOnError)
            writer.field(ProtoBool.self, 11, required)
            writer.repeated(ProtoNested<Proto.HeldInput>.self, 12, inputs)
            writer.field(ProtoString.self, 13, skipped)
            writer.repeated(ProtoNested<Proto.CellNeed>.self, 14, needs)
            writer.field(ProtoString.self, 15, environment)
            writer.field(ProtoUInt64.self, 16, expectedNs)
            writer.field(ProtoBytes.self, 17, environmentLock)
            writer.field(ProtoString.self, 18, group)
            writer.field(ProtoBool.self, 19, groupCancels)
            writer.field(ProtoBool.self, 20, groupQueues)
            writer.repeated(ProtoNested<Proto.CallGroup>.self, 21, callGroups)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// The concurrency group of a call: all jobs that are called there are in it together.
    package struct CallGroup: ProtoMessage {
        package static let protoName = "sheaf.v1.CallGroup"

        package var call: UInt32 = 0
        /// The job that calls, for people.
        package var title: String = ""
        package var group: String = ""
        package var cancels: Bool = false
        package var queues: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: call = try reader.value(ProtoUInt32.self)
                case 18: title = try reader.value(ProtoString.self)
                case 26: group = try reader.value(ProtoString.self)
                case 32: cancels = try reader.value(ProtoBool.self)
                case 40: queues = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt32.self, 1, call)
            writer.field(ProtoString.self, 2, title)
            writer.field(ProtoString.self, 3, group)
            writer.field(ProtoBool.self, 4, cancels)
            writer.field(ProtoBool.self, 5, queues)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Cells of one job that a cell of another waits for, by position.
    package struct CellNeed: ProtoMessage {
        package static let protoName = "sheaf.v1.CellNeed"

        package var job: UInt32 = 0
        package var cells: [UInt32] = []
        /// It is enough that they have ended.
        package var anyEnd: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: job = try reader.value(ProtoUInt32.self)
                case 16: try reader.append(ProtoUInt32.self, to: &cells)
                case 18: try reader.appendPacked(ProtoUInt32.self, to: &cells)
                case 24: anyEnd = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt32.self, 1, job)
            writer.packed(ProtoUInt32.self, 2, cells)
            writer.field(ProtoBool.self, 3, anyEnd)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// How each cell of a job is cut.
    package struct ShardPlan: ProtoMessage {
        package static let protoName = "sheaf.v1.ShardPlan"

        /// At least 1, at most 10 000; with items the most, and never more than there are items.
        package var count: UInt32 = 0
        /// Absent: a shard only gets its number.
        package var items: Proto.ItemSource?
        /// The most shards of one cell at one time; absent: all.
        package var maxParallel: UInt32?
        /// A failed shard ends the others of its cell.
        package var failFast: Bool = false
        /// Items are cut by how long they took in earlier runs, not in equal numbers.
        package var balanceHistory: Bool = false
        /// How long a shard should take; 0: there are `count` of them.
        package var targetNs: UInt64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: count = try reader.value(ProtoUInt32.self)
                case 18: try reader.merge(into: &items)
                case 24: maxParallel = try reader.value(ProtoUInt32.self)
                case 32: failFast = try reader.value(ProtoBool.self)
                case 40: balanceHistory = try reader.value(ProtoBool.self)
                case 48: targetNs = try reader.value(ProtoUInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt32.self, 1, count)
            writer.field(ProtoNested<Proto.ItemSource>.self, 2, items)
            writer.field(ProtoUInt32.self, 3, maxParallel)
            writer.field(ProtoBool.self, 4, failFast)
            writer.field(ProtoBool.self, 5, balanceHistory)
            writer.field(ProtoUInt64.self, 6, targetNs)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// What may be tried again, and how soon.
    package struct RetryPolicy: ProtoMessage {
        package static let protoName = "sheaf.v1.RetryPolicy"

        /// Of one shard, the first included; at least 1.
        package var attemptsMax: UInt32 = 0
        /// `infrastructure`, causes (`oom`, `timeout`), `exit:75`, `signal:11`.
        package var on: [String] = []
        /// Bounds of the pause before another attempt, which about doubles with each.
        package var backoffMinNs: UInt64 = 0
        package var backoffMaxNs: UInt64 = 0
        /// What the memory is multiplied by after `oom`; at least 1.
        package var memoryFactor: Double = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: attemptsMax = try reader.value(ProtoUInt32.self)
                case 18: try reader.append(ProtoString.self, to: &on)
                case 24: backoffMinNs = try reader.value(ProtoUInt64.self)
                case 32: backoffMaxNs = try reader.value(ProtoUInt64.self)
                case 41: memoryFactor = try reader.value(ProtoDouble.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt32.self, 1, attemptsMax)
            writer.repeated(ProtoString.self, 2, on)
            writer.field(ProtoUInt64.self, 3, backoffMinNs)
            writer.field(ProtoUInt64.self, 4, backoffMaxNs)
            writer.field(ProtoDouble.self, 5, memoryFactor)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// What every shard of a job does on its agent. Expressions in here are evaluated there, as their steps come.
    package struct JobWork: ProtoMessage {
        package static let protoName = "sheaf.v1.JobWork"

        /// The workflow's `env`, then the job's: later entries win.
        package var environment: [Proto.Template] = []
        package var shell: String?
        package var workingDirectory: String?
        /// Builds the environment, once per agent and key.
        package var setup: [Proto.Step] = []
        package var steps: [Proto.Step] = []
        /// A template: the path of the metrics file below the workspace.
        package var metrics: String?
        package var outputs: [Proto.Template] = []
        /// Beside `metrics`: files as tools write them.
        package var metricSources: [Proto.MetricSource] = []
        /// What the steps run in; absent, or with an image that comes to nothing: the agent itself.
        package var container: Proto.Container?
        /// What serves them.
        package var services: [Proto.ServiceContainer] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: try reader.append(ProtoNested<Proto.Template>.self, to: &environment)
                case 18: shell = try reader.value(ProtoString.self)
                case 26: workingDirectory = try reader.value(ProtoString.self)
                case 34: try reader.append(ProtoNested<Proto.Step>.self, to: &setup)
                case 42: try reader.append(ProtoNested<Proto.Step>.self, to: &steps)
                case 50: metrics = try reader.value(ProtoString.self)
                case 58: try reader.append(ProtoNested<Proto.Template>.self, to: &outputs)
                case 66: try reader.append(ProtoNested<Proto.MetricSource>.self, to: &metricSources)
                case 74: try reader.merge(into: &container)
                case 82: try reader.append(ProtoNested<Proto.ServiceContainer>.self, to: &services)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.repeated(ProtoNested<Proto.Template>.self, 1, environment)
            writer.field(ProtoString.self, 2, shell)
            writer.field(ProtoString.self, 3, workingDirectory)
            writer.repeated(ProtoNested<Proto.Step>.self, 4, setup)
            writer.repeated(ProtoNested<Proto.Step>.self, 5, steps)
            writer.field(ProtoString.self, 6, metrics)
            writer.repeated(ProtoNested<Proto.Template>.self, 7, outputs)
            writer.repeated(ProtoNested<Proto.MetricSource>.self, 8, metricSources)
            writer.field(ProtoNested<Proto.Container>.self, 9, container)
            writer.repeated(ProtoNested<Proto.ServiceContainer>.self, 10, services)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A container as the workflow describes it: every text is a template. `options` are words for the engine, of which
    /// docs/workflow-reference.md lists those that are allowed; `entrypoint` and `command` are a service's.
    package struct Container: ProtoMessage {
        package static let protoName = "sheaf.v1.Container"

        package var image: String = ""
        package var environment: [Proto.Template] = []
        /// `source:target`, `source:target:ro` with the source within the workspace, or a target alone.
        package var volumes: [String] = []
        /// `8080:80`, `80`, with `/udp` behind.
        package var ports: [String] = []
        package var options: String?
        package var entrypoint: String?
        package var command: String?
        /// Templates; absent: none.
        package var credentials: Proto.RegistryCredentials?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: image = try reader.value(ProtoString.self)
                case 18: try reader.append(ProtoNested<Proto.Template>.self, to: &environment)
                case 26: try reader.append(ProtoString.self, to: &volumes)
                case 34: try reader.append(ProtoString.self, to: &ports)
                case 42: options = try reader.value(ProtoString.self)
                case 50: entrypoint = try reader.value(ProtoString.self)
                case 58: command = try reader.value(ProtoString.self)
                case 66: try reader.merge(into: &credentials)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, image)
            writer.repeated(ProtoNested<Proto.Template>.self, 2, environment)
            writer.repeated(ProtoString.self, 3, volumes)
            writer.repeated(ProtoString.self, 4, ports)
            writer.field(ProtoString.self, 5, options)
            writer.field(ProtoString.self, 6, entrypoint)
            writer.field(ProtoString.self, 7, command)
            writer.field(ProtoNested<Proto.RegistryCredentials>.self, 8, credentials)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Whom an image's registry gives it to. Templates: what they come to only the agent knows.
    package struct RegistryCredentials: ProtoMessage {
        package static let protoName = "sheaf.v1.RegistryCredentials"

        package var username: String = ""
        package var password: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: username = try reader.value(ProtoString.self)
                case 18: password = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, username)
            writer.field(ProtoString.self, 2, password)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A container beside the steps, with the name by which they reach it.
    package struct ServiceContainer: ProtoMessage {
        package static let protoName = "sheaf.v1.ServiceContainer"

        package var name: String = ""
        package var container: Proto.Container?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: name = try reader.value(ProtoString.self)
                case 18: try reader.merge(into: &container)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, name)
            writer.field(ProtoNested<Proto.Container>.self, 2, container)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A file in which a tool writes metrics, in a form of its own.
    package struct MetricSource: ProtoMessage {
        package static let protoName = "sheaf.v1.MetricSource"

        /// A template: a path or a pattern below the workspace.
        package var path: String = ""
        /// `json`, `jsonl`, `csv`, `junit`, `pytest-benchmark`, `lm-eval`, `mlflow`, `sheaf`.
        package var format: String = ""
        /// The member or column that names items; empty: lines are no items.
        package var id: String = ""
        /// `last` or `samples`: which of many lines count.
        package var take: String = ""
        /// The format's records are no items.
        package var withoutItems: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: path = try reader.value(ProtoString.self)
                case 18: format = try reader.value(ProtoString.self)
                case 26: id = try reader.value(ProtoString.self)
                case 34: take = try reader.value(ProtoString.self)
                case 40: withoutItems = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, path)
            writer.field(ProtoString.self, 2, format)
            writer.field(ProtoString.self, 3, id)
            writer.field(ProtoString.self, 4, take)
            writer.field(ProtoBool.self, 5, withoutItems)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A name and a text that may hold `${{ }}`.
    package struct Template: ProtoMessage {
        package static let protoName = "sheaf.v1.Template"

        package var name: String = ""
        package var text: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: name = try reader.value(ProtoString.self)
                case 18: text = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, name)
            writer.field(ProtoString.self, 2, text)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A step of a job, of its `setup`, or of a composite action. `condition` is the text of `if`, absent for `success()`;
    /// `timeout` (minutes) and `continue_on_error` are templates.
    package struct Step: ProtoMessage {
        package static let protoName = "sheaf.v1.Step"

        package enum Action: Sendable, Equatable {
            case run(String)
            case uses(Proto.UsesAction)
            case local(Proto.LocalAction)
        }

        package var id: String?
        package var name: String?
        package var condition: String?
        package var action: Action?
        package var environment: [Proto.Template] = []
        package var shell: String?
        package var workingDirectory: String?
        package var timeout: String?
        package var continueOnError: String?
        /// Where it begins in its file.
        package var line: UInt32 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: id = try reader.value(ProtoString.self)
                case 18: name = try reader.value(ProtoString.self)
                case 26: condition = try reader.value(ProtoString.self)
                case 34: action = .run(try reader.value(ProtoString.self))
                case 42: var value = if case .uses(let present) = action { present } else { Proto.UsesAction() }; try reader.merge(into: &value); action = .uses(value)
                case 98: var value = if case .local(let present) = action { present } else { Proto.LocalAction() }; try reader.merge(into: &value); action = .local(value)
                case 50: try reader.append(ProtoNested<Proto.Template>.self, to: &environment)
                case 58: shell = try reader.value(ProtoString.self)
                case 66: workingDirectory = try reader.value(ProtoString.self)
                case 74: timeout = try reader.value(ProtoString.self)
                case 82: continueOnError = try reader.value(ProtoString.self)
                case 88: line = try reader.value(ProtoUInt32.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, id)
            writer.field(ProtoString.self, 2, name)
            writer.field(ProtoString.self, 3, condition)
            if case .run(let value) = action { writer.always(ProtoString.self, 4, value) }
            if case .uses(let value) = action { writer.always(ProtoNested<Proto.UsesAction>.self, 5, value) }
            writer.repeated(ProtoNested<Proto.Template>.self, 6, environment)
            writer.field(ProtoString.self, 7, shell)
            writer.field(ProtoString.self, 8, workingDirectory)
            writer.field(ProtoString.self, 9, timeout)
            writer.field(ProtoString.self, 10, continueOnError)
            writer.field(ProtoUInt32.self, 11, line)
            if case .local(let value) = action { writer.always(ProtoNested<Proto.LocalAction>.self, 12, value) }
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// An action that agents know themselves: `actions/checkout` with the reference `v4`.
    package struct UsesAction: ProtoMessage {
        package static let protoName = "sheaf.v1.UsesAction"

        package var action: String = ""
        package var reference: String = ""
        package var with: [Proto.Template] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: action = try reader.value(ProtoString.self)
                case 18: reference = try reader.value(ProtoString.self)
                case 26: try reader.append(ProtoNested<Proto.Template>.self, to: &with)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, action)
            writer.field(ProtoString.self, 2, reference)
            writer.repeated(ProtoNested<Proto.Template>.self, 3, with)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// An action of the code tree, or of another repository, as its `action.yml` said when the run was planned.
    package struct LocalAction: ProtoMessage {
        package static let protoName = "sheaf.v1.LocalAction"

        /// Its folder in that tree.
        package var path: String = ""
        package var inputs: [Proto.ActionInput] = []
        package var with: [Proto.Template] = []
        /// One of both: steps with their outputs, or a program for Node.js.
        package var steps: [Proto.Step] = []
        package var outputs: [Proto.Template] = []
        package var node: Proto.NodeProgram?
        /// Absent for an action of the code tree.
        package var source: Proto.ActionSource?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: path = try reader.value(ProtoString.self)
                case 18: try reader.append(ProtoNested<Proto.ActionInput>.self, to: &inputs)
                case 26: try reader.append(ProtoNested<Proto.Template>.self, to: &with)
                case 34: try reader.append(ProtoNested<Proto.Step>.self, to: &steps)
                case 42: try reader.append(ProtoNested<Proto.Template>.self, to: &outputs)
                case 50: try reader.merge(into: &node)
                case 58: try reader.merge(into: &source)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, path)
            writer.repeated(ProtoNested<Proto.ActionInput>.self, 2, inputs)
            writer.repeated(ProtoNested<Proto.Template>.self, 3, with)
            writer.repeated(ProtoNested<Proto.Step>.self, 4, steps)
            writer.repeated(ProtoNested<Proto.Template>.self, 5, outputs)
            writer.field(ProtoNested<Proto.NodeProgram>.self, 6, node)
            writer.field(ProtoNested<Proto.ActionSource>.self, 7, source)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// An input that an action declares. `fallback`, its default, is a template.
    package struct ActionInput: ProtoMessage {
        package static let protoName = "sheaf.v1.ActionInput"

        package var name: String = ""
        package var fallback: String?
        package var required: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: name = try reader.value(ProtoString.self)
                case 18: fallback = try reader.value(ProtoString.self)
                case 24: required = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, name)
            writer.field(ProtoString.self, 2, fallback)
            writer.field(ProtoBool.self, 3, required)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A program for Node.js: paths below the action's folder. `post` runs after the job's steps, if `post_condition`
    /// (absent: `always()`) holds.
    package struct NodeProgram: ProtoMessage {
        package static let protoName = "sheaf.v1.NodeProgram"

        package var main: String = ""
        package var post: String?
        package var postCondition: String?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: main = try reader.value(ProtoString.self)
                case 18: post = try reader.value(ProtoString.self)
                case 26: postCondition = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, main)
            writer.field(ProtoString.self, 2, post)
            writer.field(ProtoString.self, 3, postCondition)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A gate as its author wrote it; docs/gates.md says what it means. The words are those of workflows. A rule with a
    /// word that its reader does not know is refused, never passed over.
    package struct GateRule: ProtoMessage {
        package static let protoName = "sheaf.v1.GateRule"

        package var name: String = ""
        /// The job whose cells are read; absent where only one job has metrics.
        package var job: String?
        package var metric: String = ""
        /// `nan`-free: absent is the metric's own value, else the quantile in [0, 1].
        package var statisticQuantile: Double?
        /// `cell`, `axes`, `run`.
        package var per: String = ""
        package var perAxes: [String] = []
        /// The axes that are aggregated over, and how.
        package var over: [String] = []
        /// `mean`, `worst`, `quantile`.
        package var aggregate: String = ""
        package var aggregateQuantile: Double = 0
        /// Cells of a group count by their n.
        package var weightedByCount: Bool = false
        /// `higher`, `lower` or empty.
        package var better: String = ""
        /// At least one; all must hold.
        package var limits: [Proto.GateLimit] = []
        package var baseline: Proto.BaselineReference?
        package var passesFirstOnFloor: Bool = false
        package var newCellsFloorOnly: Bool = false
        package var required: Bool = false
        /// The text of `when`, an expression.
        package var when: String?
        package var line: UInt32 = 0
        package var column: UInt32 = 0
        /// The file of this line and column: the plan's, or the one given by `--with`.
        package var file: String = ""
        /// Empty, `regression` or `non-inferiority`; what follows has no meaning for the first.
        package var test: String = ""
        /// Empty or `mann-whitney`.
        package var method: String = ""
        /// How much beyond the limit a regression test has to find: in the limit's unit, or in percent of the baseline.
        package var detect: Double?
        package var detectPercent: Bool = false
        /// How many items a regression test has to see before it passes.
        package var itemsAtLeast: UInt64?
        /// Above 0 and below 1.
        package var falsePassRate: Double = 0
        /// `device_model`, `inputs`, `evaluator`.
        package var mayDiffer: [String] = []
        /// Another environment lock forbids the comparison, too.
        package var strict: Bool = false
        /// Numbers that were read from files of the code tree.
        package var thresholds: [Proto.GateThreshold] = []
        /// Paths of files that make the measurement.
        package var evaluator: [String] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: name = try reader.value(ProtoString.self)
                case 18: job = try reader.value(ProtoString.self)
                case 26: metric = try reader.value(ProtoString.self)
                case 33: statisticQuantile = try reader.value(ProtoDouble.self)
                case 42: per = try reader.value(ProtoString.self)
                case 50: try reader.append(ProtoString.self, to: &perAxes)
                case 58: try reader.append(ProtoString.self, to: &over)
                case 66: aggregate = try reader.value(ProtoString.self)
                case 73: aggregateQuantile = try reader.value(ProtoDouble.self)
                case 80: weightedByCount = try reader.value(ProtoBool.self)
                case 90: better = try reader.value(ProtoString.self)
                case 98: try reader.append(ProtoNested<Proto.GateLimit>.self, to: &limits)
                case 106: try reader.merge(into: &baseline)
                case 112: passesFirstOnFloor = try reader.value(ProtoBool.self)
                case 120: newCellsFloorOnly = try reader.value(ProtoBool.self)
                case 128: required = try reader.value(ProtoBool.self)
                case 138: when = try reader.value(ProtoString.self)
                case 144: line = try reader.value(ProtoUInt32.self)
                case 152: column = try reader.value(ProtoUInt32.self)
                case 162: file = try reader.value(ProtoString.self)
                case 170: test = try reader.value(ProtoString.self)
                case 178: method = try reader.value(ProtoString.self)
                case 185: detect = try reader.value(ProtoDouble.self)
                case 192: detectPercent = try reader.value(ProtoBool.self)
                case 200: itemsAtLeast = try reader.value(ProtoUInt64.self)
                case 209: falsePassRate = try reader.value(ProtoDouble.self)
                case 218: try reader.append(ProtoString.self, to: &mayDiffer)
                case 224: strict = try reader.value(ProtoBool.self)
                case 234: try reader.append(ProtoNested<Proto.GateThreshold>.self, to: &thresholds)
                case 242: try reader.append(ProtoString.self, to: &evaluator)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, name)
            writer.field(ProtoString.self, 2, job)
            writer.field(ProtoString.self, 3, metric)
            writer.field(ProtoDouble.self, 4, statisticQuantile)
            writer.field(ProtoString.self, 5, per)
            writer.repeated(ProtoString.self, 6, perAxes)
            writer.repeated(ProtoString.self, 7, over)
            writer.field(ProtoString.self, 8, aggregate)
            writer.field(ProtoDouble.self, 9, aggregateQuantile)
            writer.field(ProtoBool.self, 10, weightedByCount)
            writer.field(ProtoString.self, 11, better)
            writer.repeated(ProtoNested<Proto.GateLimit>.self, 12, limits)
            writer.field(ProtoNested<Proto.BaselineReference>.self, 13, baseline)
            writer.field(ProtoBool.self, 14, passesFirstOnFloor)
            writer.field(ProtoBool.self, 15, newCellsFloorOnly)
            writer.field(ProtoBool.self, 16, required)
            writer.field(ProtoString.self, 17, when)
            writer.field(ProtoUInt32.self, 18, line)
            writer.field(ProtoUInt32.self, 19, column)
            writer.field(ProtoString.self, 20, file)
            writer.field(ProtoString.self, 21, test)
            writer.field(ProtoString.self, 22, method)
            writer.field(ProtoDouble.self, 23, detect)
            writer.field(ProtoBool.self, 24, detectPercent)
            writer.field(ProtoUInt64.self, 25, itemsAtLeast)
            writer.field(ProtoDouble.self, 26, falsePassRate)
            writer.repeated(ProtoString.self, 27, mayDiffer)
            writer.field(ProtoBool.self, 28, strict)
            writer.repeated(ProtoNested<Proto.GateThreshold>.self, 29, thresholds)
            writer.repeated(ProtoString.self, 30, evaluator)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A number of a gate that stands in a file of the code tree. The gate holds what was read there; this says where.
    package struct GateThreshold: ProtoMessage {
        package static let protoName = "sheaf.v1.GateThreshold"

        /// The key that it stands for: `at-least`.
        package var key: String = ""
        /// 1 for the upper bound of `between`, else 0.
        package var place: UInt32 = 0
        /// `params.yaml`, and the members that lead to the number: `gates.accuracy`.
        package var file: String = ""
        package var path: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: key = try reader.value(ProtoString.self)
                case 16: place = try reader.value(ProtoUInt32.self)
                case 26: file = try reader.value(ProtoString.self)
                case 34: path = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, key)
            writer.field(ProtoUInt32.self, 2, place)
            writer.field(ProtoString.self, 3, file)
            writer.field(ProtoString.self, 4, path)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// One limit of a gate: all must hold. Bounds are finite, in the metric's unit.
    package struct GateLimit: ProtoMessage {
        package static let protoName = "sheaf.v1.GateLimit"

        /// `at-least`, `at-most`, `between`, `drop-at-most`, `rise-at-most`, `ratio-at-most`.
        package var form: String = ""
        package var bound: Double = 0
        /// The upper bound of `between`.
        package var upper: Double = 0
        /// The bound is percent of the baseline: 3 for `3%`.
        package var percent: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: form = try reader.value(ProtoString.self)
                case 17: bound = try reader.value(ProtoDouble.self)
                case 25: upper = try reader.value(ProtoDouble.self)
                case 32: percent = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, form)
            writer.field(ProtoDouble.self, 2, bound)
            writer.field(ProtoDouble.self, 3, upper)
            writer.field(ProtoBool.self, 4, percent)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// What a gate compares with.
    package struct BaselineReference: ProtoMessage {
        package static let protoName = "sheaf.v1.BaselineReference"

        package enum Kind: Sendable, Equatable {
            case run(UInt64)
            case branch(String)
            case alias(String)
        }

        package var kind: Kind?
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: kind = .run(try reader.value(ProtoUInt64.self))
                case 18: kind = .branch(try reader.value(ProtoString.self))
                case 26: kind = .alias(try reader.value(ProtoString.self))
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            if case .run(let value) = kind { writer.always(ProtoUInt64.self, 1, value) }
            if case .branch(let value) = kind { writer.always(ProtoString.self, 2, value) }
            if case .alias(let value) = kind { writer.always(ProtoString.self, 3, value) }
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// What a shard asks for, and in an assignment what it was leased. 0 or empty: nothing asked for; a shard has at least
    /// one core.
    package struct Resources: ProtoMessage {
        package static let protoName = "sheaf.v1.Resources"

        package var cpus: UInt32 = 0
        /// 0: none named.
        package var memoryBytes: UInt64 = 0
        package var gpuCount: UInt32 = 0
        /// On each device.
        package var gpuMemoryBytes: UInt64 = 0
        /// A part of the model's name, without regard to case.
        package var gpuModel: String = ""
        /// Others that will do once a shard has waited for so long, the earliest first.
        package var gpuOr: [Proto.GpuAlternative] = []
        /// What its files may take. 0: none named.
        package var diskBytes: UInt64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: cpus = try reader.value(ProtoUInt32.self)
                case 16: memoryBytes = try reader.value(ProtoUInt64.self)
                case 24: gpuCount = try reader.value(ProtoUInt32.self)
                case 32: gpuMemoryBytes = try reader.value(ProtoUInt64.self)
                case 42: gpuModel = try reader.value(ProtoString.self)
                case 50: try reader.append(ProtoNested<Proto.GpuAlternative>.self, to: &gpuOr)
                case 56: diskBytes = try reader.value(ProtoUInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt32.self, 1, cpus)
            writer.field(ProtoUInt64.self, 2, memoryBytes)
            writer.field(ProtoUInt32.self, 3, gpuCount)
            writer.field(ProtoUInt64.self, 4, gpuMemoryBytes)
            writer.field(ProtoString.self, 5, gpuModel)
            writer.repeated(ProtoNested<Proto.GpuAlternative>.self, 6, gpuOr)
            writer.field(ProtoUInt64.self, 7, diskBytes)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    package struct GpuAlternative: ProtoMessage {
        package static let protoName = "sheaf.v1.GpuAlternative"

        package var model: String = ""
        package var memoryBytes: UInt64 = 0
        package var afterMs: UInt64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: model = try reader.value(ProtoString.self)
                case 16: memoryBytes = try reader.value(ProtoUInt64.self)
                case 24: afterMs = try reader.value(ProtoUInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, model)
            writer.field(ProtoUInt64.self, 2, memoryBytes)
            writer.field(ProtoUInt64.self, 3, afterMs)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// What an agent has and offers, when it joins.
    package struct Capacity: ProtoMessage {
        package static let protoName = "sheaf.v1.Capacity"

        package var cpus: UInt32 = 0
        package var memoryBytes: UInt64 = 0
        /// At most 64, and at most 200 interpreters: an agent names no more.
        package var gpus: [Proto.GPU] = []
        /// What `runs-on` can name; lower case.
        package var labels: [String] = []
        package var interpreters: [Proto.Interpreter] = []
        package var inputs: [Proto.HeldInput] = []
        /// What attempts' files may take together. 0: none named.
        package var diskBytes: UInt64 = 0
        /// It takes offers that wait behind an attempt.
        package var takesAhead: Bool = false
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 8: cpus = try reader.value(ProtoUInt32.self)
                case 16: memoryBytes = try reader.value(ProtoUInt64.self)
                case 26: try reader.append(ProtoNested<Proto.GPU>.self, to: &gpus)
                case 34: try reader.append(ProtoString.self, to: &labels)
                case 42: try reader.append(ProtoNested<Proto.Interpreter>.self, to: &interpreters)
                case 50: try reader.append(ProtoNested<Proto.HeldInput>.self, to: &inputs)
                case 56: diskBytes = try reader.value(ProtoUInt64.self)
                case 64: takesAhead = try reader.value(ProtoBool.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoUInt32.self, 1, cpus)
            writer.field(ProtoUInt64.self, 2, memoryBytes)
            writer.repeated(ProtoNested<Proto.GPU>.self, 3, gpus)
            writer.repeated(ProtoString.self, 4, labels)
            writer.repeated(ProtoNested<Proto.Interpreter>.self, 5, interpreters)
            writer.repeated(ProtoNested<Proto.HeldInput>.self, 6, inputs)
            writer.field(ProtoUInt64.self, 7, diskBytes)
            writer.field(ProtoBool.self, 8, takesAhead)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// One device of an agent, under the driver's own name for it: `GPU-5fd3…`, or `MIG-…` for a part of one.
    package struct GPU: ProtoMessage {
        package static let protoName = "sheaf.v1.GPU"

        package var uuid: String = ""
        package var model: String = ""
        package var memoryBytes: UInt64 = 0
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: uuid = try reader.value(ProtoString.self)
                case 18: model = try reader.value(ProtoString.self)
                case 24: memoryBytes = try reader.value(ProtoUInt64.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, uuid)
            writer.field(ProtoString.self, 2, model)
            writer.field(ProtoUInt64.self, 3, memoryBytes)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// A Python that an agent found: its full version, and as `source` one of `system`, `pyenv`, `uv` and `conda`.
    package struct Interpreter: ProtoMessage {
        package static let protoName = "sheaf.v1.Interpreter"

        package var version: String = ""
        package var path: String = ""
        package var source: String = ""
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: version = try reader.value(ProtoString.self)
                case 18: path = try reader.value(ProtoString.self)
                case 26: source = try reader.value(ProtoString.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, version)
            writer.field(ProtoString.self, 2, path)
            writer.field(ProtoString.self, 3, source)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Read-only data on agents: an absolute folder, and the SHA-256 digest of its manifest, which is in sha256sum's
    /// format.
    package struct HeldInput: ProtoMessage {
        package static let protoName = "sheaf.v1.HeldInput"

        package var path: String = ""
        package var manifest: [UInt8] = []
        package var unknown = UnknownFields()

        package init() {}

        package mutating func decode(from reader: inout ProtoReader) throws(ProtoError) {
            while let tag = try reader.nextTag() {
                switch tag {
                case 10: path = try reader.value(ProtoString.self)
                case 18: manifest = try reader.value(ProtoBytes.self)
                default: try reader.keep(tag, in: &unknown)
                }
            }
        }

        package func encode(to writer: inout ProtoWriter) {
            writer.field(ProtoString.self, 1, path)
            writer.field(ProtoBytes.self, 2, manifest)
            writer.unknown(unknown)
        }
    }
}

extension Proto {
    /// Served on the enrolment listener, to strangers. The peer checks that the certificate chain it was shown ends in the
    /// authority whose fingerprint stands in its token file, before it sends the token.
    package enum Enrolment {
        package enum Enrol: ProtoMethod {
            package typealias Request = Proto.EnrolRequest
            package typealias Response = Proto.EnrolResponse
            package static let name = "Enrolment.Enrol"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
    }
}

extension Proto {
    /// Asked by people (role `user` or `admin`).
    package enum Farm {
        package enum SubmitRun: ProtoMethod {
            package typealias Request = Proto.SubmitRunRequest
            package typealias Response = Proto.SubmitRunResponse
            package static let name = "Farm.SubmitRun"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        package enum Rerun: ProtoMethod {
            package typealias Request = Proto.RerunRequest
            package typealias Response = Proto.SubmitRunResponse
            package static let name = "Farm.Rerun"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        /// Sends the run's present state, then a line for each change, until the run ends.
        package enum Watch: ProtoMethod {
            package typealias Request = Proto.WatchRequest
            package typealias Response = Proto.WatchEvent
            package static let name = "Farm.Watch"
            package static let streamsRequest = false
            package static let streamsResponse = true
        }
        package enum ListRuns: ProtoMethod {
            package typealias Request = Proto.ListRunsRequest
            package typealias Response = Proto.ListRunsResponse
            package static let name = "Farm.ListRuns"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        /// The log's lines so far; with `follow` the later ones too, until the attempts end.
        package enum ReadLog: ProtoMethod {
            package typealias Request = Proto.ReadLogRequest
            package typealias Response = Proto.LogLine
            package static let name = "Farm.ReadLog"
            package static let streamsRequest = false
            package static let streamsResponse = true
        }
        package enum Cancel: ProtoMethod {
            package typealias Request = Proto.CancelRequest
            package typealias Response = Proto.CancelResponse
            package static let name = "Farm.Cancel"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        package enum Explain: ProtoMethod {
            package typealias Request = Proto.ExplainRequest
            package typealias Response = Proto.ExplainResponse
            package static let name = "Farm.Explain"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        /// The report or the export, as bytes in the asked format; each message is a further part.
        package enum Render: ProtoMethod {
            package typealias Request = Proto.RenderRequest
            package typealias Response = Proto.Bytes
            package static let name = "Farm.Render"
            package static let streamsRequest = false
            package static let streamsResponse = true
        }
        package enum ListArtifacts: ProtoMethod {
            package typealias Request = Proto.ListArtifactsRequest
            package typealias Response = Proto.ListArtifactsResponse
            package static let name = "Farm.ListArtifacts"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        package enum SetBaseline: ProtoMethod {
            package typealias Request = Proto.SetBaselineRequest
            package typealias Response = Proto.Baseline
            package static let name = "Farm.SetBaseline"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        package enum ShowBaseline: ProtoMethod {
            package typealias Request = Proto.ShowBaselineRequest
            package typealias Response = Proto.ShowBaselineResponse
            package static let name = "Farm.ShowBaseline"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        package enum ListAgents: ProtoMethod {
            package typealias Request = Proto.ListAgentsRequest
            package typealias Response = Proto.ListAgentsResponse
            package static let name = "Farm.ListAgents"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        /// Admins only.
        package enum DrainAgent: ProtoMethod {
            package typealias Request = Proto.DrainAgentRequest
            package typealias Response = Proto.DrainAgentResponse
            package static let name = "Farm.DrainAgent"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        package enum SetPool: ProtoMethod {
            package typealias Request = Proto.SetPoolRequest
            package typealias Response = Proto.SetPoolResponse
            package static let name = "Farm.SetPool"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        package enum MoveAgent: ProtoMethod {
            package typealias Request = Proto.MoveAgentRequest
            package typealias Response = Proto.MoveAgentResponse
            package static let name = "Farm.MoveAgent"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        /// Admins only.
        package enum CreateToken: ProtoMethod {
            package typealias Request = Proto.CreateTokenRequest
            package typealias Response = Proto.CreateTokenResponse
            package static let name = "Farm.CreateToken"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        /// Admins only. Closes the bearer's connections.
        package enum Revoke: ProtoMethod {
            package typealias Request = Proto.RevokeRequest
            package typealias Response = Proto.RevokeResponse
            package static let name = "Farm.Revoke"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
    }
}

extension Proto {
    /// Asked by agents.
    package enum Agents {
        /// One stream for as long as the connection lasts. The agent says `joined` first.
        package enum Work: ProtoMethod {
            package typealias Request = Proto.FromAgent
            package typealias Response = Proto.ToAgent
            package static let name = "Agents.Work"
            package static let streamsRequest = true
            package static let streamsResponse = true
        }
        /// What an attempt came to. Answered once it is committed; repeated by the agent until then.
        package enum Report: ProtoMethod {
            package typealias Request = Proto.AttemptReport
            package typealias Response = Proto.ReportStored
            package static let name = "Agents.Report"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        /// Lines of an attempt's log, in order; each answer tells up to which offset they are stored.
        package enum AppendLog: ProtoMethod {
            package typealias Request = Proto.LogChunk
            package typealias Response = Proto.LogStored
            package static let name = "Agents.AppendLog"
            package static let streamsRequest = true
            package static let streamsResponse = true
        }
        /// The agent's next certificate, for a new key; asked in the second half of the present one's life. That one stays good
        /// until its end, so an agent that is killed before it has stored the answer still gets in.
        package enum Renew: ProtoMethod {
            package typealias Request = Proto.RenewRequest
            package typealias Response = Proto.RenewResponse
            package static let name = "Agents.Renew"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        /// What an earlier run has kept under a key, for an attempt of this agent's.
        package enum FindCache: ProtoMethod {
            package typealias Request = Proto.FindCacheRequest
            package typealias Response = Proto.FindCacheResponse
            package static let name = "Agents.FindCache"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        /// Keeps a tree under a key that nothing is kept under yet. The manifest must have been put before.
        package enum SaveCache: ProtoMethod {
            package typealias Request = Proto.SaveCacheRequest
            package typealias Response = Proto.SaveCacheResponse
            package static let name = "Agents.SaveCache"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
    }
}

extension Proto {
    /// Bytes named by their SHA-256 digest. Asked by people and by agents.
    package enum Objects {
        /// Which of these the farm has not yet been given within this scope.
        package enum Missing: ProtoMethod {
            package typealias Request = Proto.MissingRequest
            package typealias Response = Proto.MissingResponse
            package static let name = "Objects.Missing"
            package static let streamsRequest = false
            package static let streamsResponse = false
        }
        /// First message: PutHeader. The following: ObjectBytes. Answered when stored and synced.
        package enum Put: ProtoMethod {
            package typealias Request = Proto.PutPart
            package typealias Response = Proto.PutResponse
            package static let name = "Objects.Put"
            package static let streamsRequest = true
            package static let streamsResponse = false
        }
        package enum Get: ProtoMethod {
            package typealias Request = Proto.GetRequest
            package typealias Response = Proto.Bytes
            package static let name = "Objects.Get"
            package static let streamsRequest = false
            package static let streamsResponse = true
        }
    }
}
