BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Export-PgBackupReport' {
    BeforeAll {
        $archive = New-FolderArchive
        $names = 'base_000000010000000000000002', 'base_000000010000000000000004'
        Add-GoldenBackup $archive $names
        New-WalSegment (Join-Path $TestDrive 'wal') '000000010000000000000002' | Push-WalSegment -Setting ($archive + @{ WALRUS_CHECK_SYSTEM_IDENTIFIER = 'false' }) | Out-Null
    }

    BeforeEach {
        $page = Join-Path $TestDrive "$([guid]::NewGuid().ToString('N')).html"
        $history = Join-Path $TestDrive 'none.jsonl'
    }

    It 'writes one page and says how good it looks' {
        $report = Export-PgBackupReport $page -Title 'Shop & <Co>' -HistoryPath $history -Setting $archive
        (Get-Command Export-PgBackupReport).OutputType.Type | Should -Be $report.GetType()
        $report.Path | Should -BeExactly $page
        "$($report.Grade)" | Should -BeIn 'Good', 'Attention', 'Bad'
        $report.Findings | Should -Not -BeNullOrEmpty
        $report.BackupCount | Should -Be 2
        $text = Get-Content $page -Raw
        $names | ForEach-Object { $text | Should -Match $_ }
        $text | Should -Match 'Shop &amp; &lt;Co&gt;'
        $text | Should -Not -Match '<script|https?://'
        $report | Out-String | Should -Match 'Findings'
    }

    It 'shows the drills of the history that are this archive''s' {
        $one = @{ startTime = [datetime]::UtcNow; backup = $names[0]; status = 'Passed'; target = 'consistency'; seconds = 12 }
        $other = @{ startTime = [datetime]::UtcNow; backup = 'base_0000000100000000000000AA'; status = 'Failed'; systemIdentifier = '5' }
        $one, $other | ForEach-Object { ConvertTo-Json $_ -Compress } | Set-Content "$TestDrive/drills.jsonl"
        $null = Export-PgBackupReport $page -HistoryPath "$TestDrive/drills.jsonl" -Setting $archive
        $text = Get-Content $page -Raw
        $text | Should -Match '1 of 1 drill passed'
        $text | Should -Not -Match 'base_0000000100000000000000AA'
    }

    It 'replaces a page, but not with -NoClobber; writes nothing with -WhatIf' {
        Set-Content $page 'old'
        Export-PgBackupReport $page -NoClobber -HistoryPath $history -Setting $archive -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'FileExists,*'
        $failed[0].ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        Export-PgBackupReport $page -WhatIf -HistoryPath $history -Setting $archive
        Get-Content $page | Should -Be 'old'
        $null = Export-PgBackupReport $page -HistoryPath $history -Setting $archive
        Get-Content $page -Raw | Should -Match '<!DOCTYPE html>'
        Get-ChildItem $TestDrive -Filter *.walrus-tmp | Should -BeNullOrEmpty
    }

    It 'reports a folder that is not there, and keeps nothing' {
        Export-PgBackupReport "$TestDrive/none/report.html" -HistoryPath $history -Setting $archive -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'FileNotFound,*'
    }

    It 'takes limits' {
        (Export-PgBackupReport $page -BackupAgeLimit '1:00:00' -HistoryPath $history -Setting $archive).Findings -join "`n" | Should -Match 'newest backup is .* old'
    }

    It 'works in ForEach-Object -Parallel' {
        $grades = 1..3 | ForEach-Object -Parallel {
            Import-Module $using:ModulePath
            (Export-PgBackupReport "$using:page.$_" -HistoryPath $using:history -Setting $using:archive).Path
        }
        $grades | Should -HaveCount 3
        $grades | Should -Exist
    }
}
