using System.Text;
using System.Text.Json;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Tests.WalG;

public sealed class BackupSentinelTests
{
    [Theory]
    [InlineData("walg-tablespace-delta-sentinel.json")]
    [InlineData("walg-user-data-sentinel.json")]
    [InlineData("walrus-native-sentinel.json")]
    public void A_real_sentinel_is_written_back_byte_for_byte(string document)
    {
        var json = Documents.Read(document);
        var expected = WithTrimmedFractions(Encoding.UTF8.GetString(json));
        Assert.Equal(expected, Encoding.UTF8.GetString(BackupSentinel.Parse(json).ToJson()));
    }

    [Fact]
    public void Every_sentinel_of_the_golden_archives_is_written_back_byte_for_byte()
    {
        foreach (var archive in GoldenArchive.All())
        {
            foreach (var (key, content) in archive.Documents("_backup_stop_sentinel.json"))
            {
                var text = Encoding.UTF8.GetString(content);
                var expected = archive.IsWalG ? text : WithSortedSpec(WithTrimmedFractions(text));
                var sentinel = BackupSentinel.Parse(content);
                Assert.True(expected == Encoding.UTF8.GetString(sentinel.ToJson()), $"{archive.Name}/{key}");
                Assert.True(sentinel.RequiresFilesMetadata);
                Assert.Equal(sentinel.Delta is not null, key.Contains("_D_", StringComparison.Ordinal));
            }
        }
    }

    [Fact]
    public void Every_metadata_of_the_golden_archives_is_written_back_byte_for_byte()
    {
        foreach (var archive in GoldenArchive.All())
        {
            var sentinels = archive.Documents("_backup_stop_sentinel.json")
                .ToDictionary(found => found.Key.Replace("_backup_stop_sentinel.json", "", StringComparison.Ordinal));
            foreach (var (key, content) in archive.Documents("/metadata.json"))
            {
                var text = Encoding.UTF8.GetString(content);
                var expected = archive.IsWalG ? text : WithTrimmedFractions(text);
                Assert.True(expected == Encoding.UTF8.GetString(BackupMetadata.Parse(content).ToJson()), $"{archive.Name}/{key}");

                var sentinel = BackupSentinel.Parse(sentinels[Path.GetDirectoryName(key)!].Content);
                Assert.Equal(expected, Encoding.UTF8.GetString(sentinel.ToMetadata().ToJson()));
            }
        }
    }

    [Fact]
    public void The_members_of_a_real_delta_with_a_tablespace_are_read()
    {
        var sentinel = BackupSentinel.Parse(Documents.Read("walg-tablespace-delta-sentinel.json"));
        Assert.Equal(Lsn.Parse("0/9000028"), sentinel.StartLsn);
        Assert.Equal(Lsn.Parse("0/9000120"), sentinel.FinishLsn);
        Assert.Equal(
            new BackupDelta(Lsn.Parse("0/6000028"), "base_000000010000000000000006", "base_000000010000000000000006", 1),
            sentinel.Delta);
        Assert.Equal(7711105360530135737UL, sentinel.SystemIdentifier);
        Assert.Equal(170011, sentinel.PgVersion);
        Assert.Equal(new TablespaceSpecEntry(
            "16384", "/var/lib/postgresql/golden/walg-pg17-zstd-libsodium-tablespace-delta/ts1", "pg_tblspc/16384"),
            Assert.Single(sentinel.Tablespaces!.Entries));
        Assert.Equal("2026-11-22T21:07:16.78268Z", sentinel.StartTime.ToString());
        Assert.Null(sentinel.IncrementFormat);
    }

    [Fact]
    public void A_native_delta_of_WAL_RUS_says_so()
    {
        var sentinel = BackupSentinel.Parse(Documents.Read("walrus-native-sentinel.json"));
        Assert.Equal(BackupSentinel.NativeIncrementFormat, sentinel.IncrementFormat);
    }

    [Fact]
    public void Numbers_above_two_to_the_53_are_exact()
    {
        var sentinel = BackupSentinel.Parse(
            """{"LSN":18446744073709551615,"FinishLSN":9007199254740993,"SystemIdentifier":18446744073709551614}"""u8);
        Assert.Equal(ulong.MaxValue, sentinel.StartLsn!.Value.Value);
        Assert.Equal(9007199254740993UL, sentinel.FinishLsn!.Value.Value);
        Assert.Equal(ulong.MaxValue - 1, sentinel.SystemIdentifier);
    }

    [Fact]
    public void Text_is_escaped_as_Go_does()
    {
        var sentinel = new BackupSentinel
        {
            Hostname = "<a> & \"b\"\\\u2028\u2029\u0001\b\f\n\r\t\u007f",
            DataDirectory = "/données/😀/'",
        };
        var json = Encoding.UTF8.GetString(sentinel.ToJson());
        Assert.Contains(
            @"""Hostname"":""\u003ca\u003e \u0026 \""b\""\\\u2028\u2029\u0001\b\f\n\r\t" + "\u007f\"", json, StringComparison.Ordinal);
        Assert.Contains("\"DataDir\":\"/données/😀/'\"", json, StringComparison.Ordinal);
        var read = BackupSentinel.Parse(sentinel.ToJson());
        Assert.Equal(sentinel.Hostname, read.Hostname);
        Assert.Equal(sentinel.DataDirectory, read.DataDirectory);
    }

    [Fact]
    public void An_empty_sentinel_has_the_keys_that_wal_g_always_writes()
    {
        Assert.Equal(
            """{"LSN":null,"PgVersion":0,"FinishLSN":null,"UncompressedSize":0,"CompressedSize":0,"ChkpNum":null,"Version":2,"StartTime":"0001-01-01T00:00:00Z","FinishTime":"0001-01-01T00:00:00Z","DateFmt":"%Y-%m-%dT%H:%M:%S.%fZ","Hostname":"","DataDir":"","IsPermanent":false}""",
            Encoding.UTF8.GetString(new BackupSentinel().ToJson()));
    }

    [Fact]
    public void Keys_in_any_case_unknown_keys_and_nulls_are_taken()
    {
        var sentinel = BackupSentinel.Parse(
            """
            {"Files":{"/x":{"IsSkipped":[1,{"a":null}]}}, "lsn":40, "PGVERSION":null, "hostname":"h", "FutureKey":{"a":[]},
             "deltafromlsn":20,"DELTAFROM":"base_000000010000000000000004","DeltaFullName":"base_000000010000000000000004",
             "deltacount":1,"UserData":null,"StartTime":null,"Spec":null,"IsPermanent":null}
            """u8);
        Assert.Equal(40UL, sentinel.StartLsn!.Value.Value);
        Assert.Equal("h", sentinel.Hostname);
        Assert.Equal(20UL, sentinel.Delta!.FromLsn.Value);
        Assert.Null(sentinel.UserData);
        Assert.True(sentinel.StartTime.IsZero);
        Assert.Equal(0, sentinel.Version);
        Assert.False(sentinel.RequiresFilesMetadata);
    }

    [Fact]
    public void A_sentinel_of_WAL_E_with_a_lower_case_spec_is_read()
    {
        var sentinel = BackupSentinel.Parse("""{"spec":{"tablespaces":[]}}"""u8);
        Assert.Empty(sentinel.Tablespaces!.Entries);
        Assert.Null(sentinel.StartLsn);
    }

    [Fact]
    public void A_catchup_sentinel_keeps_its_empty_names()
    {
        var sentinel = new BackupSentinel { StartLsn = new Lsn(80), Delta = new BackupDelta(new Lsn(40), "", "", 1) };
        var json = Encoding.UTF8.GetString(sentinel.ToJson());
        Assert.StartsWith(
            """{"LSN":80,"DeltaLSN":40,"DeltaFrom":"","DeltaFullName":"","DeltaCount":1,""", json, StringComparison.Ordinal);
        Assert.Equal(sentinel.Delta, BackupSentinel.Parse(sentinel.ToJson()).Delta);
    }

    [Theory]
    [InlineData("""{"DeltaFrom":"base_000000010000000000000004"}""")]
    [InlineData("""{"DeltaLSN":1,"DeltaFullName":"a","DeltaCount":1}""")]
    [InlineData("""{"DeltaLSN":1,"DeltaFrom":"a","DeltaFullName":"a","DeltaCount":null}""")]
    public void Half_a_delta_is_refused(string json)
    {
        var refused = Assert.Throws<WalRusException>(() => BackupSentinel.Parse(Encoding.UTF8.GetBytes(json)));
        Assert.Equal(ErrorCode.BackupUnreadable, refused.Code);
        Assert.Contains("DeltaLSN", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "it is empty")]
    [InlineData("[]", "an object was expected")]
    [InlineData("null", "an object was expected")]
    [InlineData("""{"LSN":-1}""", "'LSN' is not an unsigned")]
    [InlineData("""{"LSN":1.5}""", "'LSN' is not an unsigned")]
    [InlineData("""{"LSN":"1"}""", "'LSN' is not an unsigned")]
    [InlineData("""{"LSN":18446744073709551616}""", "'LSN' is not an unsigned")]
    [InlineData("""{"StartTime":"yesterday"}""", "'StartTime' is 'yesterday'")]
    [InlineData("""{"Hostname":"\ud800"}""", "")]
    [InlineData("""{"LSN":1}x""", "'x'")]
    [InlineData("""{"Spec":{"base_prefix":"/d","tablespaces":["1"]}}""", "tablespace '1'")]
    [InlineData("""{"Spec":{"base_prefix":"/d","tablespaces":7}}""", "")]
    public void What_is_wrong_is_said(string json, string fragment)
    {
        var refused = Assert.Throws<WalRusException>(() => BackupSentinel.Parse(Encoding.UTF8.GetBytes(json)));
        Assert.Equal(ErrorCode.BackupUnreadable, refused.Code);
        Assert.Contains(fragment, refused.Message, StringComparison.Ordinal);
        Assert.NotNull(refused.Hint);
    }

    [Fact]
    public void User_data_is_written_with_sorted_keys_and_its_numbers_as_given()
    {
        using var data = JsonDocument.Parse("""{"b":[{"z":1,"a":1.50}],"a":"<","\uE000":1,"😀":2,"b2":12345678901234567890123}""");
        var sentinel = new BackupSentinel { UserData = data.RootElement };
        Assert.Contains(
            "\"UserData\":{\"a\":\"\\u003c\",\"b\":[{\"a\":1.50,\"z\":1}],\"b2\":12345678901234567890123,\"\uE000\":1,\"😀\":2}",
            Encoding.UTF8.GetString(sentinel.ToJson()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_document_is_refused_or_taken_but_never_more()
    {
        foreach (var document in (string[])["walg-tablespace-delta-sentinel.json", "walg-user-data-sentinel.json"])
        {
            Damage.TruncateAndFlipEveryByte(Documents.Read(document), bytes => BackupSentinel.Parse(bytes).ToJson());
        }

        Damage.TruncateAndFlipEveryByte(
            Documents.Read("walg-user-data-metadata.json"), bytes => BackupMetadata.Parse(bytes).ToJson());
    }

    [Fact]
    public void Random_sentinels_round_trip()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        for (var round = 0; round < 500; round++)
        {
            var sentinel = RandomSentinel(random);
            var json = sentinel.ToJson();
            Assert.True(
                json.AsSpan().SequenceEqual(BackupSentinel.Parse(json).ToJson()), $"seed {seed}: {Encoding.UTF8.GetString(json)}");
            var metadata = sentinel.ToMetadata().ToJson();
            Assert.True(metadata.AsSpan().SequenceEqual(BackupMetadata.Parse(metadata).ToJson()), $"seed {seed}");
        }
    }

    [Fact]
    public void A_restore_specification_is_read_and_its_mistakes_are_named()
    {
        var spec = TablespaceSpec.ParseRestoreSpec(
            """{"base_prefix":"/new/data/","tablespaces":["16400"],"16400":{"loc":"/mnt/ts1","link":"pg_tblspc/16400"}}"""u8);
        Assert.Equal("/new/data", spec.BasePrefix);
        Assert.Equal(
            """{"16400":{"loc":"/mnt/ts1","link":"pg_tblspc/16400"},"base_prefix":"/new/data","tablespaces":["16400"]}""",
            Encoding.UTF8.GetString(spec.ToJson()));

        var refused = Assert.Throws<WalRusException>(() => TablespaceSpec.ParseRestoreSpec("""{"tablespaces":[]}"""u8));
        Assert.Equal(ErrorCode.TablespaceMappingInvalid, refused.Code);
        Assert.Contains("base_prefix", refused.Message, StringComparison.Ordinal);
        Damage.TruncateAndFlipEveryByte(spec.ToJson(), bytes => TablespaceSpec.ParseRestoreSpec(bytes));
    }

    private static BackupSentinel RandomSentinel(Random random)
    {
        Lsn AnyLsn() => new((ulong)random.NextInt64(long.MinValue, long.MaxValue));
        string Text() => new([.. Enumerable.Range(0, random.Next(12)).Select(_ => (char)random.Next(1, 0xD7FF))]);
        WalGTime Time() => WalGTime.FromUnix(
            random.NextInt64(0, 4_000_000_000), random.Next(1_000_000_000), TimeSpan.FromMinutes(random.Next(-720, 720)));
        using var data = JsonDocument.Parse($$"""{"n":{{random.Next()}},"a":[true,null,"{{random.Next()}}"]}""");
        return new BackupSentinel
        {
            StartLsn = random.Next(4) == 0 ? null : AnyLsn(),
            Delta = random.Next(2) == 0 ? null : new BackupDelta(AnyLsn(), Text(), Text(), random.Next()),
            PgVersion = random.Next(),
            FinishLsn = random.Next(4) == 0 ? null : AnyLsn(),
            SystemIdentifier = random.Next(4) == 0 ? null : AnyLsn().Value,
            UncompressedSize = random.NextInt64(),
            CompressedSize = random.NextInt64(),
            DataCatalogSize = random.Next(3) * random.NextInt64(1 << 40),
            Tablespaces = random.Next(2) == 0 ? null : new TablespaceSpec
            {
                BasePrefix = "/" + random.Next(),
                Entries = [.. Enumerable.Range(0, random.Next(4)).Select(
                    oid => new TablespaceSpecEntry($"{oid}", Text(), $"pg_tblspc/{oid}"))],
            },
            UserData = random.Next(2) == 0 ? null : data.RootElement.Clone(),
            FilesMetadataDisabled = random.Next(2) == 0,
            CheckpointNumber = random.Next(2) == 0 ? null : (uint)random.Next(),
            DeltaCheckpointNumber = random.Next(2) == 0 ? null : (uint)random.Next(),
            StartTime = Time(),
            FinishTime = Time(),
            Hostname = Text(),
            DataDirectory = Text(),
            IsPermanent = random.Next(2) == 0,
        };
    }

    /// <summary>WAL-RUS pads fractions to 3, 6 or 9 digits; WalRus writes times as wal-g does.</summary>
    private static string WithTrimmedFractions(string json) =>
        System.Text.RegularExpressions.Regex.Replace(json, @"(\.\d*[1-9])0+Z""", "$1Z\"");

    private static string WithSortedSpec(string json) => System.Text.RegularExpressions.Regex.Replace(
        json, @"""Spec"":\{(""base_prefix"":.*?\]),(""\d+"":\{[^}]*\})\}", "\"Spec\":{$2,$1}");
}
