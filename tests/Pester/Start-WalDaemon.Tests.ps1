BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Start-WalDaemon' {
    BeforeEach {
        $archive = New-FolderArchive
        # A socket's path is short, and TestDrive's is not always.
        $folder = [IO.Directory]::CreateTempSubdirectory('walrus-d-').FullName
        $socket = Join-Path $folder 's'
        $data = Join-Path $folder 'data'
        $started = @{ ExecutablePath = $Executable; Setting = $archive + @{ WALG_UPLOAD_CONCURRENCY = 3 } }
    }

    AfterEach {
        Stop-WalDaemon $socket -ErrorAction Ignore
        Remove-Item $folder -Recurse -Force
    }

    It 'returns the status of a daemon that answers, of the declared output type' {
        $daemon = Start-WalDaemon $socket $data @started
        $daemon | Should -BeOfType ((Get-Command Start-WalDaemon).OutputType.Type)
        $daemon.Socket | Should -BeExactly $socket
        $daemon.LanesTotal | Should -Be 3
        $daemon.DataDirectory | Should -BeExactly $data
        $daemon.Uptime | Should -BeOfType ([timespan])
        (Get-Process -Id $daemon.ProcessId).Id | Should -Be $daemon.ProcessId
        Get-Content "$socket.log" | Should -Match 'Daemon listens'
    }

    It 'outlives the session that started it' {
        $settings = "@{ WALG_FILE_PREFIX = '$($archive.WALG_FILE_PREFIX)' }"
        $ran = Invoke-Pwsh '-Command', "Import-Module '$ModulePath'; (Start-WalDaemon '$socket' -ExecutablePath '$Executable' -Setting $settings).ProcessId"
        (Get-WalDaemon $socket).ProcessId | Should -Be ([int] $ran.Output.Trim())
    }

    It 'archives for a client, and counts it' {
        $name = '000000010000000000000001'
        [void] (New-WalSegment (Join-Path $data 'pg_wal') $name)
        [void] (Start-WalDaemon $socket $data @started)
        $client = Join-Path (Split-Path $Executable) ($IsWindows ? 'walg-daemon-client.exe' : 'walg-daemon-client')
        if (-not (Test-Path $client)) { Set-ItResult -Skipped -Because "$client is not built"; return }
        & $client $socket wal-push $name
        $LASTEXITCODE | Should -Be 0
        (Get-WalDaemon $socket).Archived | Should -Be 1
        Get-FileList $archive.WALG_FILE_PREFIX | Should -Be "wal_005/$name.lz4"
    }

    It 'says why a daemon ended at once' {
        $failure = { Start-WalDaemon $socket -ExecutablePath $Executable -Setting @{ WALG_S3_PREFIX = 'nonsense' } -ErrorAction Stop } | Should -Throw -PassThru
        $failure.FullyQualifiedErrorId | Should -BeLike 'DaemonRefused,*'
        $failure.Exception.Message | Should -Match 'WALG_S3_PREFIX'
    }

    It 'refuses a socket on which a daemon runs, and leaves that one' {
        $first = Start-WalDaemon $socket @started
        $failure = { Start-WalDaemon $socket @started -ErrorAction Stop } | Should -Throw -PassThru
        $failure.Exception.Message | Should -Match 'runs already'
        (Get-WalDaemon $socket).ProcessId | Should -Be $first.ProcessId
    }

    It 'needs the executable' {
        { Start-WalDaemon $socket -ExecutablePath (Join-Path $folder 'none') -Setting $archive -ErrorAction Stop } |
            Should -Throw -ErrorId 'FileNotFound,*'
    }

    It 'starts nothing with -WhatIf' {
        Start-WalDaemon $socket @started -WhatIf | Should -BeNullOrEmpty
        Test-Path $socket | Should -BeFalse
    }
}
