# Runs every example of every cmdlet's help, as it stands there, on a real server with an archive: only paths, times and names of the
# example's world become this test's.
BeforeDiscovery {
    . $PSScriptRoot/Common.ps1
    $noServer = -not (Find-PostgresBin)
    # They need what a test has not: a vault and a bucket of that name.
    $notRun = 'A bucket, with secrets from a vault'
    $examples = foreach ($command in Get-Command -Module WalRus) {
        foreach ($example in (Get-Help $command.Name -Full).examples.example) {
            $title = $example.title -replace '^\W*Example \d+: |\W*$'
            if ($title -notin $notRun) { @{ Command = $command.Name; Title = $title; Code = "$($example.code)" } }
        }
    }
}

BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Examples' -Skip:$noServer {
    BeforeAll {
        $server = New-PostgresFolder
        $server.Environment.WALG_FILE_PREFIX = $server.Archive
        Initialize-Postgres $server ((Test-Path $Executable) ? "$Executable wal-push `"%p`"" :
            "$Pwsh -NoProfile -NonInteractive -Command `"Import-Module '$ModulePath'; Push-WalSegment '%p'`"")
        Start-Postgres $server
        Invoke-Sql $server 'CREATE DATABASE shop' | Out-Null
        Invoke-Sql $server 'CREATE TABLE orders AS SELECT n, now() AS at FROM generate_series(1, 2000) AS n' shop | Out-Null
        $backup = Invoke-AsServer $server "New-BaseBackup '$($server.Data)'"
        $xid = Invoke-Sql $server 'INSERT INTO orders VALUES (-1) RETURNING txid_current()' shop
        Invoke-Sql $server "SELECT pg_create_restore_point('before_migration')" | Out-Null
        Start-Sleep -Milliseconds 1100
        $moment = [DateTimeOffset]::Now.ToString('yyyy-MM-dd HH:mm:ss.fff')
        Invoke-Sql $server 'DELETE FROM orders WHERE n > 1900' shop | Out-Null
        $last = Invoke-Sql $server 'SELECT pg_walfile_name(pg_switch_wal())'
        Wait-Sql $server "SELECT coalesce(last_archived_wal >= '$last', false) FROM pg_stat_archiver"

        $here = Join-Path $TestDrive 'here'
        $status = New-Item -ItemType Directory (Join-Path $here 'pg_wal' 'archive_status')
        $first, $second = Get-ChildItem (Join-Path $server.Archive 'wal_005') -File | Where-Object Name -Match '^[0-9A-F]{24}\.\w+$' |
            ForEach-Object BaseName | Where-Object { $_ -ge "$($backup.Name)".Substring(5) } | Sort-Object | Select-Object -First 2 # others are cleared
        $null = Restore-WalSegment $first (Join-Path $here 'pg_wal') -Setting @{ WALG_FILE_PREFIX = $server.Archive }
        $null = New-Item (Join-Path $status "$first.ready")
        Set-Content (Join-Path $TestDrive 'wal-g.yaml') "WALG_FILE_PREFIX: $($server.Archive)"

        # A password is asked for; a test gives one.
        function Get-Credential([string] $UserName) { [pscredential]::new('postgres', (ConvertTo-SecureString 'x' -AsPlainText -Force)) }
        $modules = (Split-Path (Split-Path $ModuleFolder)), (Split-Path $ModuleFolder)
        $saved = @{ PSModulePath = $env:PSModulePath }
        $env:PSModulePath = ($modules + $env:PSModulePath) -join [IO.Path]::PathSeparator
        foreach ($name in 'PGHOST', 'PGPORT', 'PGUSER', 'PGDATABASE', 'WALG_FILE_PREFIX') {
            Set-Item "env:$name" $server.Environment[$name]
        }
        $env:PGDATA = $server.Data
        $env:PATH, $saved.PATH = "$(Split-Path $Executable)$([IO.Path]::PathSeparator)$env:PATH", $env:PATH
        $env:HOME, $saved.HOME = $server.Folder, $env:HOME
        Push-Location $here
    }

    AfterAll {
        Pop-Location
        'PGHOST', 'PGPORT', 'PGUSER', 'PGDATABASE', 'PGDATA', 'WALG_FILE_PREFIX' | ForEach-Object { Remove-Item "env:$_" -ErrorAction Ignore }
        if (Test-Path variable:saved) { $saved.GetEnumerator() | ForEach-Object { Set-Item "env:$($_.Key)" $_.Value } }
        Remove-Postgres $server
    }

    AfterEach {
        Clear-WalRusConfiguration
        Get-ChildItem $to -Filter *.sock -ErrorAction Ignore | ForEach-Object { Stop-WalDaemon $_.FullName -ErrorAction SilentlyContinue }
    }

    It '<Command>: <Title>' -ForEach $examples {
        $to = Join-Path $TestDrive ([guid]::NewGuid().ToString('N'))
        $null = New-Item -ItemType Directory $to, "$to/copy"
        $world = [ordered] @{
            '/var/lib/postgresql/15/main' = $server.Data
            '/var/lib/postgresql/15/restored' = "$to/restored"
            '/var/lib/postgresql/17/main' = $server.Data
            '/run/walrus' = $to
            '/var/lib/walrus/' = "$to/"
            '/srv/www/' = "$to/"
            './report.html' = "$to/report.html"
            './archive' = "$to/archive"
            './data' = $server.Data
            './walg.yaml' = "$TestDrive/wal-g.yaml"
            '/backup/cluster1' = $server.Archive
            '/etc/wal-g.yaml' = "$TestDrive/wal-g.yaml"
            '/run/postgresql' = $server.Folder
            '2026-11-24 09:30' = $moment
            '/tmp/wal' = $to
            '/var/tmp/orders' = "$to/orders"
            '/mnt/copy' = "$to/copy"
            '000000010000000000000001' = $first
            '000000010000000000000002' = $second
            '48125' = $xid
            '%p' = $Command -like 'Restore*' ? "$to/RECOVERYXLOG" : "pg_wal/$first"
            '%f' = $first
        }
        # In one pass, so that nothing is replaced in what was put in.
        $any = ($world.Keys | ForEach-Object { [regex]::Escape($_) }) -join '|'
        $Code = [regex]::Replace($Code, $any, { param($found) "$($world[$found.Value])" })
        if ($Command -like '*-WalDaemon' -and -not (Test-Path $Executable)) { Set-ItResult -Skipped -Because "$Executable is not built" }
        if ($Command -in 'Get-WalDaemon', 'Stop-WalDaemon') { $null = Start-WalDaemon "$to/archive.sock" $server.Data }
        $global:LASTEXITCODE = 0
        { & ([scriptblock]::Create($Code)) 3>$null 6>$null } | Should -Not -Throw
        $LASTEXITCODE | Should -Be 0
    }
}
