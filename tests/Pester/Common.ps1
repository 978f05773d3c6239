# Dot-sourced by BeforeDiscovery and BeforeAll of each test file: imports the built module and makes what tests stand on.
# artifacts/module/WalRus is tested as it ships; WALRUS_MODULE names another folder.
Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

$RepositoryRoot = Split-Path (Split-Path $PSScriptRoot)
$ModuleFolder = $env:WALRUS_MODULE ? $env:WALRUS_MODULE : (Join-Path $RepositoryRoot 'artifacts' 'module' 'WalRus')
$ModulePath = Join-Path $ModuleFolder 'WalRus.psd1'
$Executable = $env:WALRUS_EXECUTABLE ? $env:WALRUS_EXECUTABLE : (
    Join-Path $RepositoryRoot 'artifacts' 'bin' ($IsWindows ? 'walrus.exe' : 'walrus'))
# Installed as a .NET tool, pwsh is a process of dotnet.
$Pwsh = (Get-Process -Id $PID).Name -eq "pwsh" ? (Get-Process -Id $PID).Path : (Get-Command pwsh).Source
$RunsAsRoot = -not $IsWindows -and [Environment]::UserName -eq 'root'

# A setting of whoever runs the tests must not decide what they see.
Get-ChildItem env: | Where-Object Name -Match '^(WALG_|WALE_|AWS_|PG[A-Z]+$|WALRUS_(?!MODULE|EXECUTABLE|TEST_|GOLDEN))' |
    ForEach-Object { Remove-Item "env:$($_.Name)" }

if (-not (Test-Path $ModulePath)) {
    throw "The module is not built: $ModulePath is missing. './build.sh build' makes it."
}

Import-Module $ModulePath

<# An empty archive in a folder, as settings. #>
function New-FolderArchive {
    $folder = Join-Path $TestDrive ([guid]::NewGuid().ToString('N').Substring(0, 8))
    [void] (New-Item -ItemType Directory $folder)
    @{ WALG_FILE_PREFIX = $folder }
}

<# A package's assembly, from NuGet's cache or its source; $null where it cannot be had. #>
function Get-PackageAssembly {
    param([string] $Package, [string] $Version, [string] $Framework)
    $root = $env:NUGET_PACKAGES ? $env:NUGET_PACKAGES : (Join-Path $HOME '.nuget' 'packages')
    $path = Join-Path $root $Package.ToLowerInvariant() $Version 'lib' $Framework "$Package.dll"
    if (-not (Test-Path $path)) {
        $project = Join-Path $TestDrive "$Package.csproj"
        Set-Content $project @"
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><TargetFramework>net8.0</TargetFramework></PropertyGroup>
  <ItemGroup><PackageDownload Include="$Package" Version="[$Version]" /></ItemGroup>
</Project>
"@
        dotnet restore $project --verbosity quiet 2>&1 | Out-Null
    }
    if (Test-Path $path) { $path }
}

<# Every file below a folder, relative and sorted. #>
function Get-FileList([string] $Folder) {
    @(Get-ChildItem $Folder -Recurse -File -Force | ForEach-Object { [IO.Path]::GetRelativePath($Folder, $_.FullName) } | Sort-Object)
}

<# A segment of 1 MiB: a real first page, then half noise and half zeros, the same each time. #>
function New-WalSegment {
    param([string] $Folder, [string] $Name = '000000010000000000000001')
    $size = 1MB
    $segment = [Convert]::ToUInt64($Name.Substring(8, 8), 16) * [uint64] (4GB / $size) + [Convert]::ToUInt64($Name.Substring(16), 16)
    $bytes = [byte[]]::new($size)
    $noise = [byte[]]::new($size / 2)
    [Random]::new([int] $segment).NextBytes($noise)
    $noise.CopyTo($bytes, 0)
    $page = [IO.MemoryStream]::new()
    $header = [IO.BinaryWriter]::new($page)
    $header.Write([uint16] 0xD110)
    $header.Write([uint16] 2)
    $header.Write([Convert]::ToUInt32($Name.Substring(0, 8), 16))
    $header.Write([uint64] ($segment * $size))
    $header.Write([uint64] 0)
    $header.Write([uint64] 7364839283746501234)
    $header.Write([uint32] $size)
    $header.Write([uint32] 8192)
    $page.ToArray().CopyTo($bytes, 0)
    [void] (New-Item -ItemType Directory $Folder -Force)
    $path = Join-Path $Folder $Name
    [IO.File]::WriteAllBytes($path, $bytes)
    $path
}

<# The sentinel and metadata that real wal-g wrote for a full backup, under the names asked for, oldest first. #>
function Add-GoldenBackup {
    param([hashtable] $Archive, [string[]] $Name, [datetime] $Oldest = [datetime]::Now.AddDays(-3))
    $golden = Join-Path $RepositoryRoot 'tests' 'Unit' 'Golden' 'documents'
    $folder = Join-Path $Archive.WALG_FILE_PREFIX 'basebackups_005'
    $time = $Oldest
    foreach ($one in $Name) {
        $sentinel = Join-Path $folder "${one}_backup_stop_sentinel.json"
        [void] (New-Item -ItemType Directory (Join-Path $folder $one) -Force)
        $document = Get-Content (Join-Path $golden 'walg-user-data-sentinel.json') -Raw | ConvertFrom-Json -AsHashtable -DateKind String
        if ($one -notlike '*_D_*') {
            'DeltaLSN', 'DeltaFrom', 'DeltaFullName', 'DeltaCount' | ForEach-Object { $document.Remove($_) }
        }
        ConvertTo-Json $document -Compress -Depth 10 | Set-Content $sentinel -NoNewline
        Copy-Item (Join-Path $golden 'walg-user-data-metadata.json') (Join-Path $folder $one 'metadata.json')
        (Get-Item $sentinel).LastWriteTime = $time
        $time = $time.AddHours(1)
    }
}

<# Runs a script in another pwsh, as archive_command does; gives its exit code, output and errors. #>
function Invoke-Pwsh {
    param([string[]] $Arguments, [hashtable] $Environment = @{}, [int] $TimeoutSeconds = 60)
    $start = [Diagnostics.ProcessStartInfo]::new($Pwsh)
    foreach ($argument in @('-NoProfile', '-NonInteractive') + $Arguments) { $start.ArgumentList.Add($argument) }
    foreach ($entry in $Environment.GetEnumerator()) { $start.Environment[$entry.Key] = $entry.Value }
    $start.Environment['NO_COLOR'] = '1'
    $start.RedirectStandardOutput = $start.RedirectStandardError = $start.RedirectStandardInput = $true
    $process = [Diagnostics.Process]::Start($start)
    try {
        $process.StandardInput.Close()
        $output, $errors = $process.StandardOutput.ReadToEndAsync(), $process.StandardError.ReadToEndAsync()
        if (-not $process.WaitForExit($TimeoutSeconds * 1000)) {
            $process.Kill($true)
            throw "pwsh $Arguments ran past $TimeoutSeconds s."
        }
        [pscustomobject] @{ ExitCode = $process.ExitCode; Output = $output.Result; Errors = $errors.Result }
    }
    finally {
        $process.Dispose()
    }
}

<# Starts a script in a runspace of its own, lets it run, stops it as Ctrl+C does; says how long the stop took. #>
function Stop-RunningPipeline {
    param([scriptblock] $Script, [object[]] $Arguments = @(), [scriptblock] $Started, [int] $TimeoutSeconds = 20)
    $shell = [powershell]::Create()
    try {
        [void] $shell.AddScript("param(`$ModulePath) Import-Module `$ModulePath").AddArgument($ModulePath).Invoke()
        $shell.Commands.Clear()
        [void] $shell.AddScript($Script)
        foreach ($argument in $Arguments) { [void] $shell.AddArgument($argument) }
        $output = [Management.Automation.PSDataCollection[psobject]]::new()
        $invocation = $shell.BeginInvoke([Management.Automation.PSDataCollection[psobject]]::new(), $output)
        $deadline = [datetime]::UtcNow.AddSeconds($TimeoutSeconds)
        while (-not (& $Started) -and -not $invocation.IsCompleted -and [datetime]::UtcNow -lt $deadline) { Start-Sleep -Milliseconds 20 }
        $ranToItsEnd = $invocation.IsCompleted
        $watch = [Diagnostics.Stopwatch]::StartNew()
        $shell.Stop()
        [pscustomobject] @{
            RanToItsEnd = $ranToItsEnd
            StopTime = $watch.Elapsed
            State = $shell.InvocationStateInfo.State
            Errors = @($shell.Streams.Error)
            Output = @($output)
        }
    }
    finally {
        $shell.Dispose()
    }
}

<# PostgreSQL's programs: the version asked for, else what this machine has; $null where it has none. #>
function Find-PostgresBin([int] $Major = 15) {
    $script = Join-Path $RepositoryRoot 'tests' 'servers' 'postgres.sh'
    if ($IsLinux -and (Test-Path "/usr/lib/postgresql/$Major/bin/psql")) { return "/usr/lib/postgresql/$Major/bin" }
    $cached = "/var/cache/walrus-tests/postgresql-$Major/usr/lib/postgresql/$Major/bin"
    if ($IsLinux -and (Test-Path $cached)) { return (& bash $script bindir $Major 2>$null | Select-Object -Last 1) }
    $any = Get-ChildItem /usr/lib/postgresql/*/bin/psql -ErrorAction Ignore | Sort-Object FullName | Select-Object -Last 1
    if ($any) { $any.DirectoryName }
}

<# Runs one of the server's programs as the OS user it must have; throws with its output when it fails. #>
function Invoke-Postgres {
    param([pscustomobject] $Server, [string] $Program, [string[]] $Arguments)
    $pairs = @($Server.Environment.GetEnumerator() | ForEach-Object { "$($_.Key)=$($_.Value)" })
    $path = [IO.Path]::IsPathRooted($Program) ? $Program : (Join-Path $Server.Bin $Program)
    $command = @('env') + $pairs + @('timeout', '120', $path) + $Arguments
    if ($RunsAsRoot) { $command = @('setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups') + $command }
    $log = Join-Path ([IO.Path]::GetTempPath()) "walrus-pester-$([guid]::NewGuid().ToString('N')).log"
    try {
        Push-Location ([IO.Path]::GetTempPath())
        # To a file, not a pipe: a server started by pg_ctl would keep the pipe open.
        & $command[0] $command[1..($command.Count - 1)] *> $log
        $code = $LASTEXITCODE
        $output = @(Get-Content $log -ErrorAction Ignore)
    }
    finally {
        Pop-Location
        Remove-Item $log -ErrorAction Ignore
    }
    if ($code -ne 0) {
        $serverLog = (Test-Path $Server.Log) ? ((Get-Content $Server.Log -Tail 20) -join "`n") : ''
        throw "$Program $Arguments ended with exit code ${code}: $($output -join "`n")`n$serverLog"
    }
    $output
}

<#
Runs cmdlets in a pwsh of the server's OS user and with its environment: what archives and backs up one cluster shares an
account, or it could not read what the other wrote. Gives the objects as JSON carries them.
#>
function Invoke-AsServer([pscustomobject] $Server, [string] $Script) {
    $file = Join-Path $Server.Folder 'result.json'
    Invoke-Postgres $Server $Pwsh @('-NoProfile', '-NonInteractive', '-Command', @"
`$ErrorActionPreference = 'Stop'
Import-Module '$ModulePath'
& { $Script } | ConvertTo-Json -Depth 5 -EnumsAsStrings | Set-Content '$file'
"@) | Out-Null
    Get-Content $file -Raw | ConvertFrom-Json
}

<# A cluster on a socket of its own, not started: -Environment is the server's, so also archive_command's. #>
function New-Postgres {
    param([int] $Major = 15, [string] $ArchiveCommand = '', [hashtable] $Environment = @{}, [int] $SegmentMegabytes = 1)
    $server = New-PostgresFolder -Major $Major -Environment $Environment
    Initialize-Postgres $server $ArchiveCommand $SegmentMegabytes
    $server
}

function Initialize-Postgres([pscustomobject] $Server, [string] $ArchiveCommand = '', [int] $SegmentMegabytes = 1) {
    Invoke-Postgres $Server initdb @(
        '-D', $Server.Data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '-k', "--wal-segsize=$SegmentMegabytes") | Out-Null
    Set-PostgresConfiguration $Server $ArchiveCommand
}

<# The folder of a cluster whose data directory a test restores itself. #>
function New-PostgresFolder {
    param([int] $Major = 15, [hashtable] $Environment = @{})
    $bin = Find-PostgresBin $Major
    if (-not $bin) { throw "PostgreSQL is not on this machine (tests/servers/postgres.sh get $Major)." }
    $folder = [IO.Directory]::CreateTempSubdirectory('walrus-pester-').FullName
    $server = [pscustomobject] @{
        Bin = $bin
        Folder = $folder
        Data = Join-Path $folder 'data'
        Archive = Join-Path $folder 'archive'
        Log = Join-Path $folder 'server.log'
        Environment = @{
            HOME = $folder; POWERSHELL_TELEMETRY_OPTOUT = '1'; NO_COLOR = '1'
            PGHOST = $folder; PGPORT = '5432'; PGUSER = 'postgres'; PGDATABASE = 'postgres'
        } + $Environment
    }
    [void] (New-Item -ItemType Directory $server.Archive)
    Grant-ToPostgres $folder
    $server
}

function Grant-ToPostgres([string] $Folder) {
    if ($RunsAsRoot) { & chown -R postgres:postgres $Folder }
}

function Set-PostgresConfiguration([pscustomobject] $Server, [string] $ArchiveCommand) {
    $settings = [ordered] @{
        listen_addresses = ''; unix_socket_directories = $Server.Folder; port = '5432'; fsync = 'off'; shared_buffers = '16MB'
        autovacuum = 'off'; max_wal_size = '32MB'; min_wal_size = '2MB'
        archive_mode = $ArchiveCommand ? 'on' : 'off'; archive_command = $ArchiveCommand
    }
    $settings.GetEnumerator() | ForEach-Object { "$($_.Key) = '$($_.Value.Replace("'", "''"))'" } |
        Add-Content (Join-Path $Server.Data 'postgresql.conf')
}

function Start-Postgres([pscustomobject] $Server) {
    Invoke-Postgres $Server pg_ctl @('-D', $Server.Data, '-l', $Server.Log, '-w', '-t', '60', 'start') | Out-Null
}

<# Runs SQL; gives the rows as psql -At prints them. #>
function Invoke-Sql([pscustomobject] $Server, [string] $Sql, [string] $Database = 'postgres') {
    Invoke-Postgres $Server psql @('-X', '-At', '-q', '-v', 'ON_ERROR_STOP=1', '-h', $Server.Folder, '-U', 'postgres', '-d', $Database, '-c', $Sql)
}

function Wait-Sql([pscustomobject] $Server, [string] $Sql, [string] $Expected = 't', [int] $TimeoutSeconds = 60) {
    $deadline = [datetime]::UtcNow.AddSeconds($TimeoutSeconds)
    while ((Invoke-Sql $Server $Sql) -ne $Expected) {
        if ([datetime]::UtcNow -gt $deadline) { throw "'$Sql' did not become '$Expected'.`n$((Get-Content $Server.Log -Tail 20) -join "`n")" }
        Start-Sleep -Milliseconds 100
    }
}

<# Kills the server and all its children without warning and removes its folder. #>
function Remove-Postgres([pscustomobject] $Server) {
    if ($Server) {
        Stop-PostgresHard $Server
        Remove-Item $Server.Folder -Recurse -Force
    }
}

function Stop-PostgresHard([pscustomobject] $Server) {
    $file = Join-Path $Server.Data 'postmaster.pid'
    if (-not (Test-Path $file)) { return }
    $postmaster = [int] (Get-Content $file -TotalCount 1)
    $all = @($postmaster) + @((Get-Content "/proc/$postmaster/task/$postmaster/children" -Raw -ErrorAction Ignore) -split ' ' -match '\d')
    # The postmaster first, so that it starts no child for one that dies.
    $all | ForEach-Object { Stop-Process -Id $_ -Force -ErrorAction Ignore }
    $all | ForEach-Object { Wait-Process -Id $_ -Timeout 20 -ErrorAction Ignore }
    Remove-Item $file -ErrorAction Ignore
}

<# Settings for a new bucket of tests/servers/s3.sh, or $null and the reason in $script:NoS3. #>
function New-S3Archive {
    if (-not $script:S3) {
        $script:S3 = Start-S3
    }
    if (-not $script:S3.Endpoint) {
        $script:NoS3 = $script:S3.Reason
        return
    }
    $bucket = "pester-$([guid]::NewGuid().ToString('N').Substring(0, 12))"
    $answer = & curl --silent --show-error --fail --max-time 20 --noproxy '*' --aws-sigv4 aws:amz:us-east-1:s3 `
        --header 'x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' `
        --user "$($script:S3.Key):$($script:S3.Secret)" -X PUT "$($script:S3.Endpoint)/$bucket" 2>&1
    if ($LASTEXITCODE -ne 0) { throw "The bucket could not be made: $answer" }
    @{
        WALG_S3_PREFIX = "s3://$bucket/cluster"
        AWS_ENDPOINT = $script:S3.Endpoint
        AWS_ACCESS_KEY_ID = $script:S3.Key
        AWS_SECRET_ACCESS_KEY = $script:S3.Secret
        AWS_REGION = 'us-east-1'
        AWS_S3_FORCE_PATH_STYLE = 'true'
    }
}

<# The server that runs already, else one of this file's own that Stop-S3 ends. #>
function Start-S3 {
    $none = @{ Endpoint = $null; Environment = $null }
    $script = Join-Path $RepositoryRoot 'tests' 'servers' 's3.sh'
    if (-not $IsLinux) { return $none + @{ Reason = 'tests/servers/s3.sh needs Linux' } }
    $line = & bash $script status 2>$null
    $environment = $null
    if ($LASTEXITCODE -ne 0) {
        $cache = $env:WALRUS_TEST_CACHE ? $env:WALRUS_TEST_CACHE : '/var/cache/walrus-tests'
        if (-not (Test-Path "$cache/ceph-18/.complete")) { return $none + @{ Reason = "no S3 server runs, and $cache has none to start (tests/servers/s3.sh start)" } }
        $port = Get-Random -Minimum 20000 -Maximum 30000
        $environment = @("WALRUS_S3_PORT=$port", "WALRUS_S3_DIR=$([IO.Path]::GetTempPath())walrus-pester-s3-$port")
        $line = & env $environment bash $script start 2>$null
        if ($LASTEXITCODE -ne 0) { return $none + @{ Reason = 'tests/servers/s3.sh start failed' } }
    }
    if ("$line" -notmatch 'ready (?<http>\S+) .*key=(?<key>\S+) secret=(?<secret>\S+)') { return $none + @{ Reason = "s3.sh said '$line'" } }
    @{ Endpoint = $Matches.http; Key = $Matches.key; Secret = $Matches.secret; Environment = $environment }
}

function Stop-S3 {
    if ((Get-Variable S3 -Scope Script -ErrorAction Ignore) -and $script:S3 -and $script:S3.Environment) {
        & env $script:S3.Environment bash (Join-Path $RepositoryRoot 'tests' 'servers' 's3.sh') stop 2>&1 | Out-Null
    }
    $script:S3 = $null
}
$script:S3 = $null
$script:NoS3 = $null
