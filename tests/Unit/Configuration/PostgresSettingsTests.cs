using WalRus.Backup;
using WalRus.Configuration;
using WalRus.Protocol;

namespace WalRus.Tests.Configuration;

public sealed class PostgresSettingsTests
{
    [Fact]
    public void Libpq_s_settings_are_read_from_any_source()
    {
        var settings = Sources.Settings(
            environment: [("PGHOST", "/run/a,b.example.com"), ("PGPORT", "5433,5434"), ("PGPASSWORD", "p")],
            files: [("/c.env", "PGUSER=backup\nPGSSLMODE=verify-full\nPGSSLROOTCERT=/ca.pem\nPGCONNECT_TIMEOUT=7\nPGAPPNAME=me")],
            configFile: "/c.env");
        var read = PostgresSettings.Read(settings, null);
        Assert.Equal([new PostgresEndpoint("/run/a", 5433), new PostgresEndpoint("b.example.com", 5434)], read.Endpoints);
        Assert.True(read.Endpoints[0].IsSocketFolder);
        Assert.Equal("backup", read.User);
        Assert.Equal("backup", read.Database);
        Assert.Equal("p", read.Password);
        Assert.Equal(PostgresSslMode.VerifyFull, read.SslMode);
        Assert.Equal("/ca.pem", read.SslRootCertificateFile);
        Assert.Equal(TimeSpan.FromSeconds(7), read.ConnectTimeout);
        Assert.Equal("me", read.ApplicationName);
    }

    [Fact]
    public void One_port_serves_all_hosts()
    {
        var read = PostgresSettings.Read(Sources.FromEnvironment(("PGHOST", "a,b"), ("PGPORT", "6000")), null);
        Assert.All(read.Endpoints, endpoint => Assert.Equal(6000, endpoint.Port));
    }

    [Theory]
    [InlineData("a,b,c", "1,2")]
    [InlineData("a", "0")]
    [InlineData("a", "65536")]
    [InlineData("a", "x")]
    public void Ports_that_do_not_fit_are_an_error(string hosts, string ports) => Assert.Equal(
        ErrorCode.SettingInvalid,
        Assert.Throws<WalRusException>(
            () => PostgresSettings.Read(Sources.FromEnvironment(("PGHOST", hosts), ("PGPORT", ports)), null)).Code);

    [Fact]
    public void Without_settings_the_account_and_a_local_server_are_meant()
    {
        var read = PostgresSettings.Read(Sources.Settings(), null);
        Assert.Equal(Environment.UserName, read.User);
        Assert.Equal(5432, Assert.Single(read.Endpoints).Port);
        Assert.Null(read.PassFile);
        Assert.Null(read.SslMode);
    }

    [Fact]
    public void The_password_file_in_the_home_folder_is_found()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has another name for it.");
        using var home = new TemporaryFolder();
        File.WriteAllText(home[".pgpass"], "");
        Assert.Equal(home[".pgpass"], PostgresSettings.Read(Sources.Settings(), home.FullName).PassFile);
        Assert.Equal("/x", PostgresSettings.Read(Sources.FromEnvironment(("PGPASSFILE", "/x")), home.FullName).PassFile);
    }

    [Fact]
    public void A_service_goes_before_the_environment_and_behind_what_the_caller_gives()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["services"], """
            # two of them
            [other]
            host=elsewhere
            [backup]
            host = db1,db2
            port=6000
            dbname=app
            sslmode=verify-ca
            channel_binding=require
            keepalives=1
            host=second
            [last]
            host=last
            """);
        var read = PostgresSettings.Read(
            Sources.FromEnvironment(
                ("PGSERVICE", "backup"), ("PGSERVICEFILE", folder["services"]), ("PGHOST", "environment"), ("PGUSER", "me")),
            null);
        Assert.Equal([new PostgresEndpoint("db1", 6000), new PostgresEndpoint("db2", 6000)], read.Endpoints);
        Assert.Equal(("me", "app"), (read.User, read.Database));
        Assert.Equal(PostgresSslMode.VerifyCa, read.SslMode);
        Assert.Equal(PostgresChannelBinding.Require, read.ChannelBinding);
    }

    [Theory]
    [InlineData("[s]\nsslcrl=/x", ErrorCode.SettingNotSupported)]
    [InlineData("[s]\nhost", ErrorCode.SettingInvalid)]
    [InlineData("[s]\nsslmode=maybe", ErrorCode.SettingInvalid)]
    [InlineData("[t]\nhost=x", ErrorCode.SettingInvalid)]
    public void A_service_that_cannot_be_followed_is_an_error(string file, ErrorCode code)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["services"], file);
        var settings = Sources.FromEnvironment(("PGSERVICE", "s"), ("PGSERVICEFILE", folder["services"]));
        Assert.Equal(code, Assert.Throws<WalRusException>(() => PostgresSettings.Read(settings, null)).Code);
    }
}
