BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Get-WalDaemon' {
    BeforeAll {
        $folder = [IO.Directory]::CreateTempSubdirectory('walrus-d-').FullName
        $archive = New-FolderArchive
        $sockets = 'a', 'b' | ForEach-Object { Join-Path $folder $_ }
        $sockets | ForEach-Object { Start-WalDaemon $_ -ExecutablePath $Executable -Setting $archive } | Out-Null
    }

    AfterAll {
        $sockets | Stop-WalDaemon
        Remove-Item $folder -Recurse -Force
    }

    It 'takes sockets from the pipeline, by value and by property' {
        ($sockets | Get-WalDaemon).Socket | Should -Be $sockets
        ($sockets | Get-WalDaemon | Get-WalDaemon).Socket | Should -Be $sockets
    }

    It 'gives sizes as numbers and times as times, through JSON and a job too' {
        $daemon = Get-WalDaemon $sockets[0]
        $daemon.RssBytes | Should -BeGreaterThan 1MB
        $daemon.RssBytes | Should -BeLessThan 60MB
        $daemon.Started | Should -BeOfType ([DateTimeOffset])
        $daemon.LastError | Should -BeNullOrEmpty
        ($daemon | ConvertTo-Json | ConvertFrom-Json).LanesTotal | Should -Be 16
        $file = Join-Path $folder 'status.xml'
        $daemon | Export-Clixml $file
        (Import-Clixml $file).Started | Should -Be $daemon.Started
    }

    It 'prints a line of readable figures' {
        $text = Get-WalDaemon $sockets[0] | Out-String -Width 160
        $text | Should -Match 'Id\s+Uptime\s+Memory\s+Lanes\s+Backlog\s+Archived\s+Rate\s+Socket'
        $text | Should -Match '0\.00:00:\d\d\s+\d+\.\d MB\s+0/16\s+0\s+0\s+0\.0 MB/s'
    }

    It 'has a non-terminating error for each socket on which nobody answers' {
        $found = Get-WalDaemon (Join-Path $folder 'none'), $sockets[1] -ErrorVariable failures -ErrorAction SilentlyContinue
        $found.Socket | Should -Be $sockets[1]
        $failures[0].FullyQualifiedErrorId | Should -BeLike 'DaemonUnreachable,*'
        $failures[0].CategoryInfo.Category | Should -Be 'ConnectionError'
    }
}
