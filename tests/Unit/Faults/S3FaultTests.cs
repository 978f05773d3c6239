using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using WalRus.Storage;
using WalRus.Storage.S3;
using WalRus.Streaming;
using WalRus.Tests.Contracts;
using static WalRus.Tests.Contracts.StoreExtensions;

namespace WalRus.Tests.Faults;

/// <summary>What the S3 store makes of servers and networks that misbehave.</summary>
public sealed class S3FaultTests : IDisposable
{
    private const string Secret = "the-secret-that-nobody-may-see";
    private const string Token = "the-session-token-that-nobody-may-see";
    private const int Part = S3StoreOptions.SmallestPartBytes;

    private readonly NativeBufferPool buffers = new(40 << 20);
    private readonly RecordingLog log = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        // A request that was given up has its memory until its connection has ended.
        Assert.True(SpinWait.SpinUntil(() => buffers.RentedBytes == 0, TimeSpan.FromSeconds(5)), $"{buffers.RentedBytes} bytes lost");
        buffers.Dispose();
    }

    [Fact]
    public async Task A_busy_server_is_asked_again()
    {
        await using var server = new ScriptedHttpServer(request => request.Number switch
        {
            1 => ScriptedReply.Error(503, "SlowDown"),
            2 => ScriptedReply.Error(500, "InternalError"),
            _ => new ScriptedReply(200),
        });
        await using var store = Store(server);
        await store.PutAsync("x", Bytes(1000));
        Assert.Equal(3, server.Requests.Count);
        Assert.All(server.Requests, request => Assert.Equal(Bytes(1000), request.Body.Content));
        Assert.Equal(2, log.Count(nameof(LogEvents.StoreRetry)));
        Assert.StartsWith(
            "Putting 'p/x' failed (attempt 1): SlowDown (HTTP 503)", log.Events.First().Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Retry_After_is_waited_for()
    {
        var time = new ManualTime { AutoAdvance = true };
        await using var server = new ScriptedHttpServer(request => request.Number == 1
            ? ScriptedReply.Error(429, "TooManyRequests").With("Retry-After", "77")
            : new ScriptedReply(200));
        await using var store = Store(server, options => options with { Retry = options.Retry with { Time = time } });
        var start = time.GetUtcNow();
        await store.PutAsync("x", Bytes(10));
        Assert.Contains(TimeSpan.FromSeconds(77), time.Waits);
        Assert.True(time.GetUtcNow() - start >= TimeSpan.FromSeconds(77));
    }

    [Fact]
    public async Task A_server_that_stays_busy_is_given_up_on_after_the_retries()
    {
        await using var server = new ScriptedHttpServer(_ => ScriptedReply.Error(503, "SlowDown"));
        await using var store = Store(server);
        var failure = await store.PutAsync("x", Bytes(10)).FailsAsync(ErrorCode.StoreThrottled);
        Assert.True(failure.IsTransient);
        Assert.Equal(4, server.Requests.Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_download_that_breaks_off_goes_on_at_the_byte_it_reached(bool resets)
    {
        var content = Bytes(700_000);
        await using var server = new ScriptedHttpServer(request => request.Number switch
        {
            1 => ScriptedReply.Object(request, content) with { BodyBytes = 123_457, Resets = resets },
            2 => ScriptedReply.Error(503, "SlowDown"),
            3 => ScriptedReply.Object(request, content) with { BodyBytes = 200_000, Resets = resets },
            _ => ScriptedReply.Object(request, content),
        });
        await using var store = Store(server);
        Assert.Equal(content, await store.GetAsync("x"));
        var ranges = server.Requests.Select(request => request.Range!.Value.First).ToArray();
        Assert.Equal(0, ranges[0]);

        // After a reset the last bytes sent may be lost, never more counted than came.
        Assert.InRange(ranges[1], resets ? 0 : 123_457, 123_457);
        Assert.Equal(ranges[1], ranges[2]);
        Assert.InRange(ranges[3], ranges[2], ranges[2] + 200_000);
        Assert.All(server.Requests.Skip(1), request => Assert.Equal("\"one\"", request.Headers["If-Match"]));
    }

    [Fact]
    public async Task A_range_that_breaks_off_goes_on_inside_the_range()
    {
        var content = Bytes(10_000);
        await using var server = new ScriptedHttpServer(request => request.Number == 1
            ? ScriptedReply.Object(request, content) with { BodyBytes = 500 }
            : ScriptedReply.Object(request, content));
        await using var store = Store(server);
        Assert.Equal(content[2000..5000], await store.GetAsync("x", new ByteRange(2000, 3000)));
        Assert.Equal([(2000L, 4999L), (2500L, 4999L)], server.Requests.Select(request => (request.Range!.Value.First, request.Range!.Value.Last!.Value)));
    }

    [Theory]
    [InlineData(412, "PreconditionFailed")]
    [InlineData(404, "NoSuchKey")]
    public async Task An_object_that_changes_while_it_is_read_is_an_error(int status, string code)
    {
        await using var server = new ScriptedHttpServer(request => request.Number == 1
            ? ScriptedReply.Object(request, Bytes(10_000)) with { BodyBytes = 500 }
            : ScriptedReply.Error(status, code));
        await using var store = Store(server);
        var failure = await store.GetAsync("x").FailsAsync(ErrorCode.ObjectCorrupt);
        Assert.False(failure.IsTransient);
        Assert.Equal(2, server.Requests.Count);
    }

    [Fact]
    public async Task A_server_that_hangs_is_DeadlineExceeded_within_the_deadline()
    {
        await using var server = new ScriptedHttpServer(_ => ScriptedReply.Silence);
        await using var store = Store(server, Impatient);
        var start = DateTime.UtcNow;
        foreach (var work in new[]
        {
            store.PutAsync("x", Bytes(10)), store.GetAsync("x"), store.HasAsync("x"),
            store.NamesAsync(new ListRequest { Folder = "" }), store.DeleteAsync([ObjectKey.Parse("x")], Cancel).AsTask(),
        })
        {
            var failure = await work.FailsAsync(ErrorCode.DeadlineExceeded);
            Assert.True(failure.IsTransient);
        }

        Assert.InRange((DateTime.UtcNow - start).TotalSeconds, 0.3, 10);
    }

    [Fact]
    public async Task A_download_that_goes_silent_goes_on_over_another_connection()
    {
        var content = Bytes(50_000);
        await using var server = new ScriptedHttpServer(request => request.Number <= 2
            ? ScriptedReply.Object(request, content) with { BodyBytes = 10_000, Hangs = true }
            : ScriptedReply.Object(request, content));
        await using var store = Store(server, Impatient);
        Assert.Equal(content, await store.GetAsync("x"));
        Assert.Equal([0L, 10_000L, 20_000L], server.Requests.Select(request => request.Range!.Value.First));
    }

    [Fact]
    public async Task A_download_that_stays_silent_is_DeadlineExceeded()
    {
        await using var server = new ScriptedHttpServer(
            request => ScriptedReply.Object(request, Bytes(50_000)) with { BodyBytes = 0, Hangs = true });
        await using var store = Store(server, Impatient);
        await store.GetAsync("x").FailsAsync(ErrorCode.DeadlineExceeded);
        Assert.Equal(2, server.Requests.Count);
    }

    [Fact]
    public async Task A_server_that_stops_taking_a_body_is_DeadlineExceeded()
    {
        // More than the sockets' buffers hold, so that the sender must wait.
        await using var server = new ScriptedHttpServer(request => request.Query.StartsWith("uploads", StringComparison.Ordinal)
            ? Begun() : ScriptedReply.Silence with { RequestBytes = 1000 });
        await using var store = Store(server, options => Impatient(options) with { PartSizeBytes = 16 << 20 });
        await store.PutAsync("x", Bytes(15 << 20)).FailsAsync(ErrorCode.DeadlineExceeded);
    }

    [Theory]
    [InlineData("PUT")]
    [InlineData("GET")]
    public async Task An_answer_that_stops_in_its_middle_is_DeadlineExceeded(string method)
    {
        await using var server = new ScriptedHttpServer(
            _ => ScriptedReply.Error(500, "InternalError") with { BodyBytes = 30, Hangs = true });
        await using var store = Store(server, Impatient);
        var work = method == "PUT" ? store.PutAsync("x", Bytes(10)) : store.GetAsync("x");
        await work.FailsAsync(ErrorCode.DeadlineExceeded);
        Assert.Equal(2, server.Requests.Count);
    }

    [Fact]
    public async Task A_locked_object_and_its_parts_carry_the_checksum_that_S3_wants()
    {
        await using var server = new ScriptedHttpServer(request => request.Method == "POST" && request.Query.StartsWith("uploads", StringComparison.Ordinal)
            ? Begun() : ScriptedReply.Xml("<CompleteMultipartUploadResult/>").With("ETag", "\"part\""));
        await using var store = Store(server, options => options with { RetentionPeriod = TimeSpan.FromHours(1), RetentionMode = "COMPLIANCE" });
        await store.PutAsync("small", Bytes(10));
        await store.PutAsync("large", Bytes(Part + 10));
        var bodies = server.Requests.Where(request => request.Method == "PUT").ToArray();
        Assert.Equal(3, bodies.Length);
        Assert.All(bodies, request => Assert.Equal(
            Convert.ToBase64String(MD5.HashData(request.Body.Content)), request.Headers["Content-MD5"]));
        Assert.Equal("COMPLIANCE", bodies[0].Headers["x-amz-object-lock-mode"]);
        Assert.StartsWith(DateTime.UtcNow.Year.ToString(System.Globalization.CultureInfo.InvariantCulture)[..3], bodies[0].Headers["x-amz-object-lock-retain-until-date"], StringComparison.Ordinal);
        Assert.False(bodies[1].Headers.ContainsKey("x-amz-object-lock-mode"), "what a part may not say");
    }

    [Fact]
    public async Task Credentials_that_the_server_calls_expired_are_fetched_again()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "The process that gives the credentials is a shell script.");
        Debug.Assert(!OperatingSystem.IsWindows());
        using var folder = new TemporaryFolder();
        var script = folder["credentials.sh"];
        var expires = DateTime.UtcNow.AddHours(1).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);
        await File.WriteAllTextAsync(
            script,
            $$"""
            #!/bin/sh
            echo x >>{{folder["asked"]}}
            n=$(wc -l <{{folder["asked"]}})
            echo "{\"Version\":1,\"AccessKeyId\":\"KEY$n\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"token$n\",\"Expiration\":\"{{expires}}\"}"
            """,
            Cancel);
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        await File.WriteAllTextAsync(folder["profiles"], $"[walrus]\ncredential_process = {script}\n", Cancel);
        await using var server = new ScriptedHttpServer(request =>
            request.Headers["x-amz-security-token"] == "token1" && request.Number > 1
                ? ScriptedReply.Error(400, "ExpiredToken") : new ScriptedReply(200));
        await using var store = Store(server, options => options with
        {
            Keys = null, Profile = "walrus", SharedCredentialsFile = folder["profiles"],
        });
        await store.PutAsync("x", Bytes(10));
        await store.PutAsync("y", Bytes(10));
        await store.PutAsync("z", Bytes(10));
        Assert.Equal(["token1", "token1", "token2", "token2"], server.Requests.Select(request => request.Headers["x-amz-security-token"]));
        Assert.All(server.Requests, request => Assert.Contains(
            "x-amz-security-token", request.Headers["Authorization"], StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_missing_bucket_is_never_taken_for_a_missing_object()
    {
        await using var server = new ScriptedHttpServer(request => request.Method == "HEAD"
            ? new ScriptedReply(404)
            : ScriptedReply.Error(404, "NoSuchBucket"));
        await using var store = Store(server);
        foreach (var work in new[]
        {
            store.GetAsync("x"), store.HasAsync("x"), store.PutAsync("x", Bytes(1)),
            store.NamesAsync(new ListRequest { Folder = "" }), store.PutAsync("x", Bytes(Part + 1)),
        })
        {
            var failure = await work.FailsAsync(ErrorCode.StoreNotFound);
            Assert.Contains("WALG_S3_PREFIX", failure.Hint ?? "", StringComparison.Ordinal);
            Assert.False(failure.IsTransient);
        }
    }

    [Fact]
    public async Task A_server_that_knows_nothing_of_S3_is_not_an_empty_archive()
    {
        var page = "<html><body>Not here</body></html>"u8.ToArray();
        await using var server = new ScriptedHttpServer(_ => new ScriptedReply(404, page));
        await using var store = Store(server);
        await store.GetAsync("x").FailsAsync(ErrorCode.StoreNotFound);
        await store.HasAsync("x").FailsAsync(ErrorCode.StoreNotFound);
    }

    [Theory]
    [InlineData(400, "ExpiredToken", ErrorCode.StoreCredentialsExpired)]
    [InlineData(403, "RequestTimeTooSkewed", ErrorCode.StoreClockSkewed)]
    [InlineData(403, "AccessDenied", ErrorCode.StoreAccessDenied)]
    [InlineData(403, "InvalidAccessKeyId", ErrorCode.StoreAccessDenied)]
    [InlineData(403, "SignatureDoesNotMatch", ErrorCode.StoreAccessDenied)]
    [InlineData(403, "", ErrorCode.StoreAccessDenied)]
    [InlineData(404, "NoSuchBucket", ErrorCode.StoreNotFound)]
    [InlineData(400, "InvalidArgument", ErrorCode.StoreFailed)]
    [InlineData(501, "NotImplemented", ErrorCode.StoreFailed)]
    public async Task What_no_retry_can_mend_is_said_at_once(int status, string code, ErrorCode expected)
    {
        await using var server = new ScriptedHttpServer(_ => code.Length == 0
            ? new ScriptedReply(status) : ScriptedReply.Error(status, code));
        await using var store = Store(server);
        var failure = await store.PutAsync("x", Bytes(10)).FailsAsync(expected);
        Assert.False(failure.IsTransient);
        Assert.Single(server.Requests);
        Assert.DoesNotContain(Secret, failure.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Token, failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_region_is_named_in_the_hint()
    {
        await using var server = new ScriptedHttpServer(_ => ScriptedReply.Error(400, "AuthorizationHeaderMalformed")
            .With("x-amz-bucket-region", "eu-central-1"));
        await using var store = Store(server);
        var failure = await store.GetAsync("x").FailsAsync(ErrorCode.StoreFailed);
        Assert.Contains("AWS_REGION=eu-central-1", failure.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_connection_and_an_unknown_host_are_StoreUnreachable()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        foreach (var endpoint in new[] { $"http://127.0.0.1:{port}", "http://no-such-host.invalid" })
        {
            await using var store = Store(endpoint, Impatient);
            var failure = await store.GetAsync("x").FailsAsync(ErrorCode.StoreUnreachable);
            Assert.True(failure.IsTransient);
            Assert.Contains(new Uri(endpoint).Authority.Replace(":80", "", StringComparison.Ordinal)[..5], failure.Message, StringComparison.Ordinal);
            Assert.NotNull(failure.Hint);
        }
    }

    [Fact]
    public async Task A_foreign_certificate_is_refused_with_the_setting_that_helps_and_taken_once_trusted()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        using var certificate = X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null);
        await using var server = new ScriptedHttpServer(_ => new ScriptedReply(200), certificate);
        await using var distrusting = Store(server);
        var failure = await distrusting.PutAsync("x", Bytes(10)).FailsAsync(ErrorCode.StoreUnreachable);
        Assert.False(failure.IsTransient);
        Assert.Contains("S3_CA_CERT_FILE", failure.Hint, StringComparison.Ordinal);
        Assert.Empty(server.Requests);

        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, made.ExportCertificatePem(), Cancel);
        await using var trusting = Store(server, options => options with { CaCertificateFile = file });
        await trusting.PutAsync("x", Bytes(10));
        Assert.Equal("UNSIGNED-PAYLOAD", server.Requests.Single().Headers["X-Amz-Content-SHA256"]);

        // The name in the certificate still counts.
        await using var misnamed = Store(
            server.Address.Replace("localhost", "127.0.0.1", StringComparison.Ordinal), options => options with { CaCertificateFile = file });
        await misnamed.PutAsync("x", Bytes(10)).FailsAsync(ErrorCode.StoreUnreachable);
        File.Delete(file);
    }

    [Fact]
    public async Task A_file_without_certificates_is_an_invalid_setting()
    {
        var file = Path.GetTempFileName();
        await using var store = Store("https://localhost:1", options => options with { CaCertificateFile = file });
        await store.GetAsync("x").FailsAsync(ErrorCode.SettingInvalid);
        File.Delete(file);
        await using var missing = Store("https://localhost:1", options => options with { CaCertificateFile = file });
        await missing.GetAsync("x").FailsAsync(ErrorCode.SettingInvalid);
    }

    [Fact]
    public async Task A_conditional_write_whose_answer_was_lost_recognises_its_own_object()
    {
        string? writeId = null;
        await using var server = new ScriptedHttpServer(request =>
        {
            if (request.Method == "HEAD")
            {
                return new ScriptedReply(200) { Headers = Metadata(writeId!) };
            }

            Assert.Equal("*", request.Headers["If-None-Match"]);
            writeId ??= request.Headers["x-amz-meta-walrus-write"];
            return request.Number == 1 ? ScriptedReply.Reset : ScriptedReply.Error(412, "PreconditionFailed");
        });
        await using var store = Store(server);
        await store.PutAsync("x", Bytes(10), WriteCondition.IfAbsent);
        Assert.Equal(["PUT", "PUT", "HEAD"], server.Requests.Select(request => request.Method));
    }

    [Fact]
    public async Task A_conditional_write_whose_answer_was_lost_does_not_claim_anothers_object()
    {
        await using var server = new ScriptedHttpServer(request => request.Method == "HEAD"
            ? new ScriptedReply(200) { Headers = Metadata("another") }
            : request.Number == 1 ? ScriptedReply.Reset : ScriptedReply.Error(412, "PreconditionFailed"));
        await using var store = Store(server);
        await store.PutAsync("x", Bytes(10), WriteCondition.IfAbsent).FailsAsync(ErrorCode.ObjectExists);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_completion_whose_answer_was_lost_is_decided_by_what_is_there(bool ours)
    {
        string? writeId = null;
        var completions = 0;
        await using var server = new ScriptedHttpServer(request => (request.Method, request.Query.Split('=')[0]) switch
        {
            ("POST", "uploads") => Begun(writeId = request.Headers["x-amz-meta-walrus-write"]),
            ("PUT", _) => new ScriptedReply(200).With("ETag", "\"part\""),
            ("POST", "uploadId") => ++completions == 1 ? ScriptedReply.Reset : ScriptedReply.Error(404, "NoSuchUpload"),
            ("HEAD", _) => ours ? new ScriptedReply(200) { Headers = Metadata(writeId!) } : new ScriptedReply(404),
            ("DELETE", _) => new ScriptedReply(204),
            _ => throw new InvalidOperationException(request.ToString()),
        });
        await using var store = Store(server);
        var writing = store.PutAsync("x", Bytes(Part + 5));
        if (ours)
        {
            await writing;
        }
        else
        {
            await Assert.ThrowsAsync<WalRusException>(() => writing);
        }

        Assert.Equal(2, completions);
    }

    [Fact]
    public async Task A_part_that_fails_for_good_fails_the_write_and_the_upload_is_aborted()
    {
        await using var server = new ScriptedHttpServer(request => request.Method switch
        {
            "POST" => Begun(),
            "DELETE" => new ScriptedReply(204),
            _ when request.Query.Contains("partNumber=2", StringComparison.Ordinal) => ScriptedReply.Error(403, "AccessDenied"),
            _ => new ScriptedReply(200).With("ETag", "\"part\""),
        });
        await using var store = Store(server);
        await store.PutAsync("x", Bytes((3 * Part) + 5)).FailsAsync(ErrorCode.StoreAccessDenied);
        Assert.Contains(server.Requests, request => request is { Method: "DELETE", Query: "uploadId=up" });
        Assert.DoesNotContain(server.Requests, request => request is { Method: "POST", Query: "uploadId=up" });
    }

    [Fact]
    public async Task A_write_that_is_cancelled_while_the_server_hangs_ends_at_once_and_aborts()
    {
        using var cancel = new CancellationTokenSource();
        await using var server = new ScriptedHttpServer(request => request.Method switch
        {
            "POST" => Begun(),
            "DELETE" => new ScriptedReply(204),
            _ => ScriptedReply.Silence,
        });
        await using var store = Store(server);
        var start = DateTime.UtcNow;
        await using (var stream = await store.OpenWriteAsync(ObjectKey.Parse("x"), WriteCondition.None, cancel.Token))
        {
            await stream.WriteAsync(Bytes(Part + 5), cancel.Token);
            var completing = stream.CompleteAsync(cancel.Token).AsTask();
            cancel.CancelAfter(100);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => completing);
        }

        Assert.InRange((DateTime.UtcNow - start).TotalSeconds, 0, 5);
        Assert.Contains(server.Requests, request => request.Method == "DELETE");
    }

    [Fact]
    public async Task An_upload_that_cannot_be_removed_is_reported()
    {
        await using var server = new ScriptedHttpServer(request => request.Method == "POST"
            ? Begun()
            : ScriptedReply.Error(403, "AccessDenied"));
        await using var store = Store(server);
        await store.PutAsync("x", Bytes(Part + 5)).FailsAsync(ErrorCode.StoreAccessDenied);
        Assert.Equal(1, log.Count(nameof(LogEvents.UploadLeft)));
    }

    [Fact]
    public async Task Keys_of_a_batch_that_fail_are_in_the_result_and_passing_failures_are_tried_again()
    {
        await using var server = new ScriptedHttpServer(request => request.Number switch
        {
            1 => ScriptedReply.Xml("<VersioningConfiguration/>"),
            2 => Errors(("p/a", "AccessDenied"), ("p/b", "SlowDown"), ("p/c", "NoSuchKey")),
            _ => ScriptedReply.Xml("<DeleteResult/>"),
        });
        await using var store = Store(server);
        var result = await store.DeleteAsync([.. new[] { "a", "b", "c", "d" }.Select(ObjectKey.Parse)], Cancel);
        Assert.Equal(3, result.DeletedCount);
        var (key, reason) = Assert.Single(result.Failed);
        Assert.Equal("a", key.ToString());
        Assert.Contains("AccessDenied", reason, StringComparison.Ordinal);
        var batches = server.Requests.Skip(1).ToArray();
        Assert.Equal(2, batches.Length);
        Assert.Contains("<Key>p/d</Key>", Encoding.UTF8.GetString(batches[0].Body.Content), StringComparison.Ordinal);
        Assert.DoesNotContain("<Key>p/d</Key>", Encoding.UTF8.GetString(batches[1].Body.Content), StringComparison.Ordinal);
        Assert.All(batches, batch => Assert.Equal(
            Convert.ToBase64String(MD5.HashData(batch.Body.Content)), batch.Headers["Content-MD5"]));

        static ScriptedReply Errors(params (string Key, string Code)[] errors) => ScriptedReply.Xml(
            "<DeleteResult>" + string.Concat(errors.Select(
                one => $"<Error><Key>{one.Key}</Key><Code>{one.Code}</Code><Message>so</Message></Error>")) + "</DeleteResult>");
    }

    [Fact]
    public async Task A_listing_asks_for_a_page_only_when_the_one_before_is_read()
    {
        await using var server = new ScriptedHttpServer(request => request.Query.Contains("continuation-token", StringComparison.Ordinal)
            ? ScriptedReply.Error(403, "AccessDenied")
            : ScriptedReply.Xml(
                "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>"
                + "<Contents><Key>p/one</Key><Size>5</Size></Contents><Contents><Key>p/folder/</Key><Size>0</Size></Contents>"
                + "<Contents><Key>other/two</Key><Size>5</Size></Contents></ListBucketResult>"));
        await using var store = Store(server);
        await using var listing = store.ListAsync(new ListRequest { Folder = "", Recursive = true }, Cancel).GetAsyncEnumerator(Cancel);
        Assert.True(await listing.MoveNextAsync());
        Assert.Equal("one", listing.Current.Key.ToString());
        Assert.Single(server.Requests);
        await listing.MoveNextAsync().AsTask().FailsAsync(ErrorCode.StoreAccessDenied);
    }

    [Fact]
    public async Task Additional_headers_are_sent_and_signed_and_bodies_are_asked_for_only_at_first()
    {
        await using var server = new ScriptedHttpServer(_ => new ScriptedReply(200));
        await using var store = Store(server, options => options with
        {
            AdditionalHeaders = new Dictionary<string, string> { ["x-amz-acl"] = "bucket-owner-full-control" },
        });
        await store.PutAsync("x", Bytes(10));
        await store.PutAsync("y", Bytes(10));
        Assert.All(server.Requests, request =>
        {
            Assert.Equal("bucket-owner-full-control", request.Headers["x-amz-acl"]);
            Assert.Contains("x-amz-acl", request.Headers["Authorization"], StringComparison.Ordinal);
            Assert.Equal(
                Convert.ToHexString(SHA256.HashData(Bytes(10))), request.Headers["X-Amz-Content-SHA256"], ignoreCase: true);
        });
        Assert.Equal([true, false], server.Requests.Select(request => request.Headers.ContainsKey("Expect")));
    }

    [Fact]
    public async Task An_early_refusal_of_a_large_body_is_heard()
    {
        await using var server = new ScriptedHttpServer(
            _ => ScriptedReply.Error(403, "AccessDenied") with { TakesNoBody = true });
        await using var store = Store(server);
        await store.PutAsync("x", Bytes(4_000_000)).FailsAsync(ErrorCode.StoreAccessDenied);
    }

    [Theory]
    [InlineData("<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>", "us-east-1")]
    [InlineData("<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">EU</LocationConstraint>", "eu-west-1")]
    [InlineData("<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">eu-north-1</LocationConstraint>", "eu-north-1")]
    public async Task The_region_of_a_bucket_is_asked_for(string answer, string region)
    {
        await using var server = new ScriptedHttpServer(_ => ScriptedReply.Xml(answer));
        using var access = await S3ClientBuilder.BuildAsync(
            new S3StoreOptions
            {
                Bucket = "bucket", Endpoint = server.Address, ForcePathStyle = true, Keys = new S3Keys("AKID", Secret),
            },
            Cancel);
        Assert.Equal(region, await S3ClientBuilder.AskRegionAsync(access.Client, "bucket", Cancel));
        Assert.StartsWith("location", server.Requests.Single().Query, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_show_no_secret()
    {
        var options = new S3StoreOptions
        {
            Bucket = "bucket", Prefix = "p", Keys = new S3Keys("id", Secret, Token), CustomerKey = new byte[32],
        };
        Assert.Equal("s3://bucket/p", options.ToString());
        Assert.DoesNotContain(Secret, $"{options.Keys}", StringComparison.Ordinal);
    }

    private static S3StoreOptions Impatient(S3StoreOptions options) => options with
    {
        RequestTimeout = TimeSpan.FromMilliseconds(300),
        Retry = options.Retry with { MaxRetries = 1 },
    };

    private static ScriptedReply Begun(string? _ = null) => ScriptedReply.Xml(
        "<InitiateMultipartUploadResult><UploadId>up</UploadId></InitiateMultipartUploadResult>");

    private static Dictionary<string, string> Metadata(string writeId) => new()
    {
        ["x-amz-meta-walrus-write"] = writeId,
        ["ETag"] = "\"one\"",
    };

    private S3ObjectStore Store(ScriptedHttpServer server, Func<S3StoreOptions, S3StoreOptions>? change = null) =>
        Store(server.Address, change);

    private S3ObjectStore Store(string endpoint, Func<S3StoreOptions, S3StoreOptions>? change = null)
    {
        var options = new S3StoreOptions
        {
            Bucket = "bucket",
            Prefix = "p",
            Endpoint = endpoint,
            ForcePathStyle = true,
            Keys = new S3Keys("AKID", Secret, Token),
            SingleRequestBytes = Part,
            RequestTimeout = TimeSpan.FromSeconds(20),
            Retry = new RetryPolicy
            {
                MaxRetries = 3,
                BaseDelay = TimeSpan.FromMilliseconds(1),
                ThrottledBaseDelay = TimeSpan.FromMilliseconds(1),
                Log = log,
            },
        };
        return new S3ObjectStore(change is null ? options : change(options), buffers);
    }
}
