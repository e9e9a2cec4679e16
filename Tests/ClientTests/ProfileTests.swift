import Client
import Foundation
import Model
import Testing
import Transport

@Suite struct `A profile` {
    struct Place {
        var environment: [String: String]
        var folder: String
    }

    @Test(arguments: [
        Place(environment: ["SHEAF_HOME": "/a", "XDG_CONFIG_HOME": "/b", "HOME": "/c"], folder: "/a"),
        Place(environment: ["SHEAF_HOME": "", "XDG_CONFIG_HOME": "/b", "HOME": "/c"], folder: "/b/sheaf"),
        Place(environment: ["XDG_CONFIG_HOME": "", "HOME": "/c"], folder: "/c/.config/sheaf"),
        Place(environment: [:], folder: "./.config/sheaf"),
    ])
    func `lies where the environment says`(place: Place) {
        #expect(Profile.standard { place.environment[$0] }.folder == place.folder)
    }

    @Test func `comes back as it was stored, and nobody else can read the key`() async throws {
        try await withFolder { folder in
            let identity = try Authority.make().makeIdentity(for: Principal(role: .user, name: "alice"))
            let profile = Profile(folder: folder + "/new/home")
            #expect(!profile.exists)
            try profile.save(identity, address: Address(host: "farm.example", port: 7443))
            let (loaded, address) = try profile.load()
            #expect(loaded.certificate == identity.certificate && loaded.key == identity.key)
            #expect("\(address)" == "farm.example:7443")
            let facts = try FileManager.default.attributesOfItem(atPath: profile.folder + "/identity.pem")
            #expect(facts[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test func `that is not there says how to get one`() async throws {
        try await withFolder { folder in
            let error = await failure { () async throws(ClientError) in try Profile(folder: folder).load() }
            #expect(error?.help?.contains("sheaf enrol --token-file") == true, "\(String(describing: error))")
        }
    }

    @Test func `that others can read is refused`() async throws {
        try await withFolder { folder in
            let profile = Profile(folder: folder)
            try profile.save(
                try Authority.make().makeIdentity(for: Principal(role: .user, name: "alice")),
                address: Address(host: "farm", port: 1))
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o644], ofItemAtPath: folder + "/identity.pem")
            #expect(await failure { () async throws(ClientError) in try profile.load() } != nil)
        }
    }
}
